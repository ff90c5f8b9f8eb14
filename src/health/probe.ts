/**
 * One probe of a backend through a given way of asking it, and how it is judged.
 *
 * A probe is good when its whole answer arrives within the time limit and is what is expected; what that is, judge.ts
 * knows. In a worker it goes through the same pool that carries the traffic, so it proves the path that traffic takes;
 * in the primary, in the background, on a connection of its own.
 */

import type { ProbeTerms } from "../config/probe-config.ts";
import type { ProbeField } from "../config/probe-values.ts";
import type { Clock } from "../core/clock.ts";
import { type AnswerFields, Judge } from "./judge.ts";

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
  /** null: the backend's own authority. */
  readonly host: string | null;
  /** Beside what every request of ours has; one of the same name takes its place. */
  readonly headers: readonly ProbeField[];
}

/** What comes of asking. One of the last two ends it. */
export interface AskHandler {
  /** Is written on a connection now. Told again when that one had died while it was idle. */
  onSent(): void;
  /** @param fields are valid during the call alone. */
  onHead(status: number, fields: AnswerFields): void;
  /** A piece of the body. */
  onPiece(piece: Buffer): void;
  onEnd(): void;
  /** @param message for people: `connect ECONNREFUSED 127.0.0.1:9001`. */
  onFailed(message: string): void;
}

/** Sends a request to the backend. @returns gives it up: nothing more is told then. */
export type Ask = (request: AskRequest, handler: AskHandler) => () => void;

/** An answer's body is read to its end; past this it is no health page. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Never rejects. `signal` gives the probe up: it is then not ok. */
export function probe(ask: Ask, config: ProbeTerms, clock: Clock, signal: AbortSignal): Promise<ProbeReport> {
  const startedMs = clock.nowMs();
  return new Promise((resolve) => {
    const judge = new Judge(config);
    let status: number | null = null;
    let bytes = 0;
    let sentMs = startedMs;
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
      onSent() {
        sentMs = clock.nowMs();
      },
      onHead(code, fields) {
        status = code;
        judge.takeHead(code, fields);
      },
      onPiece(piece) {
        bytes += piece.length;
        judge.takePiece(piece);
        if (bytes > MAX_BODY_BYTES) giveUp(`${status}, with a body of more than ${MAX_BODY_BYTES} bytes`);
      },
      onEnd() {
        const { ok, saw } = judge.verdict(clock.nowMs() - sentMs);
        settle(ok, saw);
      },
      onFailed(message) {
        settle(false, status === null ? message : `${status}, then ${message}`);
      },
    });
    if (isSettled) giveUpAsking(); // it was over before it could be given up
  });
}
