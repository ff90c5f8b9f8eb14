/**
 * One probe of a backend through a given way of asking it, and how it is judged.
 *
 * A probe is good when its whole answer arrives within the time limit and its status is expected. Runs in
 * a worker through the same pool that carries the traffic, so it proves the path that traffic takes.
 */
import type { ProbeConfig } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";

export interface ProbeReport {
  readonly ok: boolean;
  /** What was seen, for people: `200`, `503, expected 200-399`, `connect ECONNREFUSED 127.0.0.1:9001`. */
  readonly saw: string;
  /** null: no answer. */
  readonly status: number | null;
  readonly durationMs: number;
  /** True when it was given up before its time: it says less than one that ran. */
  readonly isCutShort?: boolean;
}

export interface AskRequest {
  readonly method: string;
  readonly path: string;
}

/** What comes of asking. One of the last two ends it. */
export interface AskHandler {
  onStatus(status: number): void;
  /** Of the body. */
  onBytes(count: number): void;
  onEnd(): void;
  /** @param message for people: `connect ECONNREFUSED 127.0.0.1:9001`. */
  onFailed(message: string): void;
}

/** Sends a request to the backend. @returns gives it up: nothing more is told then. */
export type Ask = (request: AskRequest, handler: AskHandler) => () => void;

/** An answer's body is read to its end but not kept; past this it is no health page. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Never rejects. `signal` gives the probe up: it is then not ok. */
export function probe(
  ask: Ask,
  config: ProbeConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const startedMs = clock.nowMs();
  return new Promise((resolve) => {
    let status: number | null = null;
    let bytes = 0;
    let giveUpAsking = (): void => {};
    let isSettled = false;

    const settle = (ok: boolean, saw: string, isCutShort = false): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      const durationMs = Math.round((clock.nowMs() - startedMs) * 10) / 10;
      resolve({ ok, saw, status, durationMs, ...(isCutShort ? { isCutShort } : {}) });
    };
    const giveUp = (saw: string, isCutShort = false): void => {
      settle(false, saw, isCutShort);
      giveUpAsking();
    };
    const onAbort = (): void => {
      const afterMs = Math.round(clock.nowMs() - startedMs);
      giveUp(`${status ?? "no answer"} after ${afterMs} ms, when the gate had ended`, true);
    };
    const timer = setTimeout(() => {
      giveUp(
        status === null
          ? `no answer within ${config.timeoutMs} ms`
          : `${status}, but its body did not end within ${config.timeoutMs} ms`,
      );
    }, config.timeoutMs);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) return onAbort();

    giveUpAsking = ask(config, {
      onStatus(code) {
        status = code;
      },
      onBytes(count) {
        bytes += count;
        if (bytes > MAX_BODY_BYTES) giveUp(`${status}, with a body of more than ${MAX_BODY_BYTES} bytes`);
      },
      onEnd() {
        const isExpected = config.expect.some(
          ({ from, to }) => status !== null && status >= from && status <= to,
        );
        settle(
          isExpected,
          isExpected ? String(status) : `${status}, expected ${describeRanges(config.expect)}`,
        );
      },
      onFailed(message) {
        settle(false, status === null ? message : `${status}, then ${message}`);
      },
    });
    if (isSettled) giveUpAsking(); // it was over before it could be given up
  });
}

function describeRanges(ranges: ProbeConfig["expect"]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(",");
}
