/**
 * One probe of a backend through a given dispatcher, and how it is judged.
 *
 * A probe is good when its whole answer arrives within the time limit and its status is expected. Runs in
 * a worker through the same agent that carries the traffic, so it proves the path that traffic takes.
 */
import type { Dispatcher } from "undici";
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

/** An answer's body is read to its end but not kept; past this it is no health page. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Never rejects. `signal` gives the probe up: it is then not ok. */
export function probe(
  dispatcher: Dispatcher,
  origin: string,
  config: ProbeConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const startedMs = clock.nowMs();
  return new Promise((resolve) => {
    let status: number | null = null;
    let bytes = 0;
    let controller: Dispatcher.DispatchController | null = null;
    let cancelQueued = (): void => {};
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
      cancelQueued();
      controller?.abort(GIVEN_UP);
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

    const handler: QueuedHandler = {
      onQueued(cancel) {
        cancelQueued = cancel;
      },
      onRequestStart(started) {
        controller = started;
        if (isSettled) throw GIVEN_UP;
      },
      onResponseStart(_, code) {
        if (code >= 200) status = code;
      },
      onResponseData(_, chunk) {
        bytes += chunk.length;
        if (bytes > MAX_BODY_BYTES) giveUp(`${status}, with a body of more than ${MAX_BODY_BYTES} bytes`);
      },
      onResponseEnd() {
        const isExpected = config.expect.some(
          ({ from, to }) => status !== null && status >= from && status <= to,
        );
        settle(
          isExpected,
          isExpected ? String(status) : `${status}, expected ${describeRanges(config.expect)}`,
        );
      },
      onResponseError(_, error) {
        settle(false, status === null ? describeError(error) : `${status}, then ${describeError(error)}`);
      },
    };
    dispatcher.dispatch(
      {
        origin,
        path: config.path,
        method: config.method as Dispatcher.HttpMethod,
        headers: ["User-Agent", "traffic-switching-probe", "Accept", "*/*"],
        servername: new URL(origin).hostname,
        reset: false,
      } as Dispatcher.DispatchOptions,
      handler,
    );
  });
}

/** A dispatcher with a queue says how to leave it; see connection-pool.ts. */
type QueuedHandler = Dispatcher.DispatchHandler & { onQueued(cancel: () => void): void };

const GIVEN_UP = Object.assign(Object.create(Error.prototype) as Error, { message: "given up" });

function describeRanges(ranges: ProbeConfig["expect"]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(",");
}

function describeError(error: Error): string {
  if (error.message !== "") return error.message;
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : error.name;
}
