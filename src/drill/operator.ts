/** The operator of the drill: calls the daemon's admin API, keeps the timeline, and kills one worker. */
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import { StartError } from "../core/errors.ts";
import type { Version } from "../core/version.ts";
import { call } from "../own-daemon/call.ts";
import { stopAndListPorts } from "./held-ports.ts";
import type { Ledger } from "./ledger.ts";
import type { Move } from "./plan.ts";
import type { Timeline } from "./timeline.ts";

export interface Moved {
  readonly call: Move["call"];
  readonly to: Version;
  /** Null when it was not asked for, or the daemon knows no `hold`. */
  readonly hold: string | null;
  readonly status: number;
  /** From the call to its answer, here. */
  readonly ms: number;
  /** As the answer has them: `{ prepare_ms: 206.1, … }`. */
  readonly phases: Readonly<Record<string, number>>;
  /** What was done by all kinds of load from the call to the answer. */
  readonly meanwhile: number;
  /** What was answered instead of 200; null when all is well. */
  readonly problem: string | null;
}

export interface Killed {
  readonly pid: number;
  readonly connections: number | null;
  /** Until as many workers as before listen. */
  readonly replacedMs: number;
}

interface Deps {
  readonly adminUrl: string;
  readonly proxyPort: number;
  readonly timeline: Timeline;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

interface Status {
  readonly ready: boolean;
  readonly workers: readonly { readonly pid: number; readonly state: string }[];
}

const REPLACE_LIMIT_MS = 30_000;
const POLL_MS = 20;
const PROBLEM_MAX_LENGTH = 300;

export class Operator {
  readonly #deps: Deps;
  #knowsHold = true;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @returns what is wrong with the answer; null when it would switch. */
  async rehearse({ to }: Move): Promise<string | null> {
    const { status, body } = await this.#post("/switch", { version: to, dry_run: true });
    return status === 200 && fieldsOf(body).verdict === "would_switch" ? null : problem(status, body);
  }

  async move(move: Move): Promise<Moved> {
    const { timeline, ledger, clock } = this.#deps;
    const hold = this.#knowsHold ? move.hold : null;
    const doneBefore = ledger.total("done");
    const calledAtMs = clock.nowMs();
    timeline.call({ to: move.to, isHeld: hold !== null }, calledAtMs);
    const { status, body } =
      move.call === "rollback"
        ? await this.#post("/rollback", { reason: "drill" })
        : await this.#post("/switch", { version: move.to, reason: "drill", ...(hold ? { hold } : {}) });
    const answeredAtMs = clock.nowMs();
    if (status === 200) timeline.answer(answeredAtMs);
    else timeline.refuse();
    if (hold && status === 400 && body.includes('unknown field \\"hold\\"')) {
      this.#knowsHold = false;
      return this.move(move);
    }
    const { version, phases } = fieldsOf(body);
    return {
      call: move.call,
      to: move.to,
      hold,
      status,
      ms: round(answeredAtMs - calledAtMs),
      phases: (phases ?? {}) as Record<string, number>,
      meanwhile: ledger.total("done") - doneBefore,
      problem: status === 200 && version === move.to ? null : problem(status, body),
    };
  }

  /** The first of the workers. @throws StartError when it is not replaced in time. */
  async killWorker(): Promise<Killed> {
    const { ledger, clock, proxyPort } = this.#deps;
    const before = await this.#status();
    const pid = before.workers[0]?.pid;
    if (pid === undefined) throw new StartError("the daemon names no worker to kill", 1);
    const ports = stopAndListPorts(pid, proxyPort);
    const atMs = clock.nowMs();
    ledger.killed({ pid, atMs, ports });
    process.kill(pid, "SIGKILL");
    for (;;) {
      const { ready, workers } = await this.#status();
      const isReplaced = ready && workers.length === before.workers.length;
      if (isReplaced && workers.every((worker) => worker.pid !== pid)) break;
      if (clock.nowMs() - atMs > REPLACE_LIMIT_MS) {
        throw new StartError(`worker ${pid} was killed, and not replaced within ${REPLACE_LIMIT_MS} ms`, 1);
      }
      await delay(POLL_MS);
    }
    return { pid, connections: ports?.size ?? null, replacedMs: round(clock.nowMs() - atMs) };
  }

  async #status(): Promise<Status> {
    const { status, body } = await call({ method: "GET", url: `${this.#deps.adminUrl}/status` });
    if (status !== 200) throw new StartError(`GET /status: ${problem(status, body)}`, 1);
    return JSON.parse(body) as Status;
  }

  #post(path: string, body: object): Promise<{ status: number; body: string }> {
    return call({ method: "POST", url: `${this.#deps.adminUrl}${path}`, body });
  }
}

function fieldsOf(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function problem(status: number, body: string): string {
  return `${status} ${body.slice(0, PROBLEM_MAX_LENGTH)}`;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
