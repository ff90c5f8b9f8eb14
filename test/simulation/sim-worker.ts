/**
 * A worker of the simulation: the real serving state, hold and switch orders, without sockets and processes.
 *
 * Its inbox and outbox are pipes: in order, but as late as the scheduler likes. Stopped (SIGSTOP) it does nothing
 * until it goes on or is killed. When its primary is gone it takes nothing new, as soon as it notices.
 */
import type { Config } from "../../src/config/schema.ts";
import type { Birth } from "../../src/control-plane/workers/fleet.ts";
import { Hold } from "../../src/data-plane/hold.ts";
import type { Serving } from "../../src/data-plane/serving.ts";
import { SwitchOrders } from "../../src/data-plane/switch-orders.ts";
import type { FromWorker, PrepareReport, SwitchOrder } from "../../src/ipc/messages.ts";
import { servingOf } from "../support/pools-of.ts";
import type { SimTime } from "./sim-time.ts";

type Answer = Extract<FromWorker, { type: "prepared" | "held" | "applied" }>;

/** A probe that has been asked for and not answered yet. */
export interface OpenProbe {
  readonly version: string;
  answer(passed: boolean): void;
}

/** A client's request; it reads what is served once, when it starts. */
export interface SimRequest {
  readonly askedAtMs: number;
  /** Of the switch that it started under; null while it is held. */
  epoch: number | null;
}

export class SimWorker {
  readonly inbox: SwitchOrder[] = [];
  readonly outbox: Answer[] = [];
  readonly probes = new Set<OpenProbe>();
  readonly running = new Set<SimRequest>();
  readonly waiting = new Set<SimRequest>();
  /** Versions whose requests it ends. */
  readonly draining = new Set<string>();
  /** When its primary last told it something. */
  toldAtMs = 0;
  isStopped = false;
  isDead = false;
  isListening = false;
  /** Its primary is gone, and it has noticed. */
  isEnding = false;
  readonly hold: Hold;
  readonly serving: Serving;
  readonly pid: number;
  readonly slot: number;
  readonly #orders: SwitchOrders;

  constructor(pid: number, slot: number, birth: Birth, config: Config, time: SimTime) {
    this.pid = pid;
    this.slot = slot;
    this.serving = servingOf(config.backends, birth.snapshot);
    this.hold = new Hold(
      { maxRequests: 1_000, maxBytes: 1_000_000 },
      { after: (ms, run) => time.after(this, ms, run), soon: (run) => void time.after(this, 0, run) },
    );
    for (const { hold, holdMs } of birth.holds) this.hold.begin(hold, holdMs);
    this.#orders = new SwitchOrders({
      serving: this.serving,
      drains: {
        start: ({ version }) => void this.draining.add(version),
        cancel: ({ version }) => void this.draining.delete(version),
      },
      keepWarm: { start: () => {}, stop: () => {}, end: () => {} },
      hold: this.hold,
      prepare: ({ version }, signal) => this.#prepare(version, signal),
      answer: (answer) => void this.outbox.push(answer),
    });
  }

  get epoch(): number {
    return this.serving.current.epoch;
  }

  get acceptsRequests(): boolean {
    return this.isListening && !this.isDead && !this.isEnding && !this.isStopped;
  }

  /** Reads the next order. */
  obeyNext(): SwitchOrder | undefined {
    const order = this.inbox.shift();
    if (order !== undefined) this.#orders.obey(order);
    return order;
  }

  #prepare(version: string, signal: AbortSignal): Promise<PrepareReport> {
    return new Promise((resolve) => {
      const answer = (passed: boolean): void => {
        this.probes.delete(probe);
        const saw = passed ? "200" : "503";
        const backend = `http://${version}`;
        const seen = { backend, ok: passed, saw, status: passed ? 200 : 503, durationMs: 1 };
        const [good, bad] = passed ? [[backend], []] : [[], [backend]];
        resolve({ passed, probes: [seen], warm: 0, backends: { asked: 1, needed: 1, good, bad } });
      };
      const probe: OpenProbe = { version, answer };
      this.probes.add(probe);
      signal.addEventListener("abort", () => answer(false));
    });
  }
}
