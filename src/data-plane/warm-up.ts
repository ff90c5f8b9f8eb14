/**
 * Warm-up, in a worker: before a switch its pool to the target opens as many connections as the traffic will want,
 * so that the first burst waits for no handshake. Sends no request.
 */
import { type Share, shareOrNone } from "../core/share.ts";
import { describeError } from "./forward/connect.ts";
import type { ConnectionPool } from "./forward/connection-pool.ts";

/** Connections that are opened at a time: a backend's backlog is small, and every worker opens some. */
const MOST_AT_ONCE = 16;
/** Per worker, with `auto`. */
const AUTO_MOST = 64;
/** With `auto`: what the traffic used in this time is what it will want. */
const AUTO_LOOK_BACK_MS = 5_000;
/** One that idles out within this time is as good as closed: the switch is still to be committed. */
const LASTS_MS = 1_000;

/** What came of it; `isCutShort` when it was given up before its end. */
export interface WarmUpResult {
  /** What went wrong, for people: `connect ECONNREFUSED 127.0.0.1:9001`. */
  readonly fault: string | null;
  readonly isCutShort: boolean;
}

/**
 * @param asked `switch.warm_connections`, per backend, over all workers.
 * @param active tells the pools of the version in use.
 * @param backends of the target's version: with `auto` each takes its part.
 */
export function warming(
  asked: number | "auto",
  share: Share,
  active: () => readonly ConnectionPool[],
  target: ConnectionPool,
  backends = 1,
): { warmUp(signal: AbortSignal): Promise<WarmUpResult>; warm(): number } {
  const ownPart = asked === "auto" ? asked : shareOrNone(asked, share);
  return {
    warmUp: (signal) => warmUp(target, wantedConnections(ownPart, active(), target, backends), signal),
    warm: () => target.idle.length,
  };
}

/** @param asked this worker's share, or `auto`: as many as traffic has in use on the active version. */
export function wantedConnections(
  asked: number | "auto",
  active: readonly ConnectionPool[],
  target: ConnectionPool,
  backends = 1,
): number {
  const { maxConnections, maxIdleConnections } = target.limits;
  const sinceMs = performance.now() - AUTO_LOOK_BACK_MS;
  const used = active.reduce((sum, pool) => sum + pool.usedSince(sinceMs), 0);
  const wanted = asked === "auto" ? Math.min(AUTO_MOST, Math.ceil(used / backends)) : asked;
  return Math.min(wanted, maxConnections, maxIdleConnections);
}

/** Opens what is missing to `wanted`, each once; ends at the first that fails. Never rejects. `signal` gives it up. */
export function warmUp(pool: ConnectionPool, wanted: number, signal: AbortSignal): Promise<WarmUpResult> {
  return new Promise((resolve) => {
    const running = new Set<() => void>();
    let missing = wanted - pool.lasting(performance.now() + LASTS_MS);

    const end = (fault: string | null, isCutShort: boolean): void => {
      signal.removeEventListener("abort", onAbort);
      missing = 0;
      for (const giveUp of running) giveUp();
      running.clear();
      resolve({ fault, isCutShort });
    };
    const onAbort = (): void => end("not all connections were open when the gate had ended", true);
    const openMore = (): void => {
      while (missing > 0 && running.size < MOST_AT_ONCE) {
        missing--;
        const giveUp = pool.openSpare((error) => {
          if (giveUp === null || !running.delete(giveUp)) return; // it has ended meanwhile
          if (error !== null) end(causeOf(error), false);
          else openMore();
        });
        if (giveUp === null)
          missing = 0; // traffic has taken the room, and warms it itself
        else running.add(giveUp);
      }
      if (running.size === 0) end(null, false);
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else openMore();
  });
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? describeError(error.cause) : error.message;
}
