/**
 * Supervisor: forks one worker per slot, replaces the dead with growing delay, and is the Fleet that the
 * switch and the admin API speak to.
 *
 * Runs in the primary. It decides nothing about versions: it holds the snapshot in force and hands it to
 * every worker before that worker listens.
 */
import type { SendHandle } from "node:child_process";
import cluster, { type Worker } from "node:cluster";
import type { Logger } from "pino";
import type { Config } from "../../config/schema.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import { Channel } from "../../ipc/channel.ts";
import type { DrainLimits, FromWorker, ToWorker } from "../../ipc/messages.ts";
import type { WorkerStats } from "../../telemetry/worker-stats.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import type { Fleet, WorkerCommitted, WorkerInfo, WorkerPrepared, WorkerState } from "./fleet.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import { addRetired } from "./retired.ts";

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A worker that lived this long was sound: the next death of its slot starts at the first delay again. */
const SOUND_AFTER_MS = 30_000;
/** A worker that has not said anything by then is stuck at its start. */
const START_LIMIT_MS = 15_000;
/** What a worker that was told to stop gets above its grace before it is killed. */
const STOP_MARGIN_MS = 2_000;

/** One process in a slot. */
interface Process {
  readonly worker: Worker;
  readonly channel: Channel<ToWorker, FromWorker>;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly exited: Promise<void>;
  state: WorkerState;
  /** It has been given a snapshot, so a commit concerns it. */
  isInformed: boolean;
  epoch: number;
  stats: WorkerStats | null;
}

interface Slot {
  readonly id: number;
  process: Process | null;
  delayMs: number;
  restartTimer: NodeJS.Timeout | null;
}

export interface SupervisorOptions {
  readonly config: Config;
  readonly socket: ListeningSocket;
  readonly snapshot: Snapshot;
  readonly clock: Clock;
  readonly log: Logger;
  /** Flags of the workers' node, such as the size of the young generation. */
  readonly workerFlags: readonly string[];
  readonly onAdminCall: (call: AdminCall) => Promise<AdminAnswer>;
  /** A worker cannot listen: nothing that a restart would mend. */
  readonly onListenFailed: (message: string) => void;
}

export class Supervisor implements Fleet {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  #snapshot: Snapshot;
  readonly #desk: ConnectionDesk;
  #retired: WorkerStats | null = null;
  #isStopping = false;
  #onAllListening: (() => void) | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#snapshot = options.snapshot;
    this.#slots = Array.from({ length: options.config.server.workers }, (_, index) => ({
      id: index + 1,
      process: null,
      delayMs: FIRST_DELAY_MS,
      restartTimer: null,
    }));
    const { maxConnections, maxConnectionsPerClient } = options.config.server;
    this.#desk = new ConnectionDesk({ total: maxConnections, perClient: maxConnectionsPerClient });
    cluster.setupPrimary({
      execArgv: [...process.execArgv, ...options.workerFlags],
      serialization: "advanced", // Infinity ("unlimited") survives
    });
  }

  /** Forks all workers; resolves when every one listens. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAllListening = resolve;
      for (const slot of this.#slots) this.#fork(slot);
    });
  }

  get size(): number {
    return this.#slots.length;
  }

  workers(): readonly WorkerInfo[] {
    return this.#slots.flatMap(({ id, process }) =>
      process === null ? [] : [{ id, pid: process.pid, state: process.state, epoch: process.epoch }],
    );
  }

  async prepare(
    version: Version,
    { waitMs, timeoutMs }: { waitMs: number; timeoutMs: number },
  ): Promise<readonly WorkerPrepared[]> {
    const asked = this.#processes().filter(({ process }) => process.state === "listening");
    let aborted = (): void => {};
    const abort = new Promise<null>((resolve) => {
      aborted = () => resolve(null);
    });
    return Promise.all(
      asked.map(async ({ slot, process }) => {
        let id = 0;
        const answer = process.channel.ask<FromWorker & { type: "prepared" }>((asking) => {
          id = asking;
          return { type: "prepare", id, version, waitMs };
        }, timeoutMs + ABORTED_ANSWER_MS);
        const first = await Promise.race([answer, abort, delay(timeoutMs)]);
        if (first?.report.passed !== true) {
          aborted(); // one refusal is enough: the others stop probing
          process.channel.send({ type: "abort-prepare", id });
        }
        // Whoever was told to stop says at once what it has seen so far.
        const told = first ?? (await Promise.race([answer, delay(ABORTED_ANSWER_MS)]));
        return { worker: slot.id, pid: process.pid, report: told?.report ?? null };
      }),
    );
  }

  async commit(
    snapshot: Snapshot,
    { timeoutMs, drain }: { timeoutMs: number; drain: DrainLimits },
  ): Promise<readonly WorkerCommitted[]> {
    this.#snapshot = snapshot; // whoever starts from now on is born with it
    const { clock, log } = this.#options;
    const startedMs = clock.nowMs();
    const concerned = this.#processes().filter(({ process }) => process.isInformed);
    return Promise.all(
      concerned.map(async ({ slot, process }): Promise<WorkerCommitted> => {
        const answer = await process.channel.ask<FromWorker & { type: "applied" }>(
          (id) => ({ type: "apply-snapshot", id, snapshot, drain, release: null }),
          timeoutMs,
        );
        const isApplied = answer?.epoch === snapshot.epoch;
        if (isApplied) {
          process.epoch = snapshot.epoch;
        } else {
          // It may still serve the old version: nobody is told "switched" before it is dead.
          log.error(
            { worker: slot.id, worker_pid: process.pid, epoch: snapshot.epoch },
            "worker did not acknowledge the switch; killed and replaced",
          );
          process.worker.process.kill("SIGKILL");
          await process.exited;
        }
        const durationMs = clock.nowMs() - startedMs;
        return { worker: slot.id, pid: process.pid, outcome: isApplied ? "applied" : "replaced", durationMs };
      }),
    );
  }

  async collect(
    timeoutMs: number,
  ): Promise<{ stats: ReadonlyMap<number, WorkerStats>; silent: readonly number[] }> {
    const silent: number[] = [];
    await Promise.all(
      this.#processes().map(async ({ slot, process }) => {
        const answer = await process.channel.ask<FromWorker & { type: "stats" }>(
          (id) => ({ type: "collect-stats", id }),
          timeoutMs,
        );
        if (answer !== null) process.stats = answer.stats;
        else if (process.state === "listening") silent.push(slot.id);
      }),
    );
    // Read only now, in one go with what the caller does next: a worker that died meanwhile is in
    // retired() and must not count twice. A silent one counts with what it last said.
    const stats = new Map<number, WorkerStats>();
    for (const { slot, process } of this.#processes()) {
      if (process.stats !== null) stats.set(slot.id, process.stats);
    }
    return { stats, silent };
  }

  retired(): readonly WorkerStats[] {
    return this.#retired === null ? [] : [this.#retired];
  }

  /**
   * Every worker stops accepting, ends what it runs within `graceMs`, and exits; whoever does not is killed.
   * Never rejects.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#options.socket.handle.close(); // ours; the queue ends when the last worker has closed its own
    for (const slot of this.#slots) {
      if (slot.restartTimer !== null) clearTimeout(slot.restartTimer);
    }
    await Promise.all(
      this.#processes().map(async ({ process }) => {
        process.state = "stopping";
        if (process.isInformed) process.channel.send({ type: "stop", graceMs });
        else process.worker.process.kill("SIGKILL"); // it does not listen yet, and would not hear
        const ended = await Promise.race([process.exited.then(() => true), delay(graceMs + STOP_MARGIN_MS)]);
        if (ended === null) {
          process.worker.process.kill("SIGKILL");
          await process.exited;
        }
      }),
    );
  }

  /** Ends every worker now. */
  kill(): void {
    this.#isStopping = true;
    for (const { process } of this.#processes()) process.worker.process.kill("SIGKILL");
  }

  #processes(): { slot: Slot; process: Process }[] {
    return this.#slots.flatMap((slot) => (slot.process === null ? [] : [{ slot, process: slot.process }]));
  }

  #fork(slot: Slot): void {
    const { clock, log } = this.#options;
    const worker = cluster.fork();
    const channel = new Channel<ToWorker, FromWorker>(worker.process, "primary", (message) =>
      this.#receive(slot, process, message),
    );
    const process: Process = {
      worker,
      channel,
      pid: worker.process.pid ?? 0,
      startedAtMs: clock.nowMs(),
      exited: new Promise((resolve) => worker.once("exit", () => resolve())),
      state: "starting",
      isInformed: false,
      epoch: -1,
      stats: null,
    };
    slot.process = process;
    const startLimit = setTimeout(() => {
      log.error(
        { worker: slot.id, worker_pid: process.pid, limit_ms: START_LIMIT_MS },
        "worker did not start in time; killed",
      );
      worker.process.kill("SIGKILL");
    }, START_LIMIT_MS);
    worker.once("exit", () => clearTimeout(startLimit));
    worker.on("message", (message: FromWorker) => {
      if (message.type === "listening") clearTimeout(startLimit);
    });
    worker.once("error", (error) => log.error({ worker: slot.id, err: error }, "worker process failed"));
    worker.once("exit", (code, signal) => this.#onExit(slot, process, code, signal));
  }

  #receive(slot: Slot, process: Process, message: FromWorker): void {
    switch (message.type) {
      case "hello":
        process.isInformed = true;
        process.epoch = this.#snapshot.epoch;
        process.channel.send(
          {
            type: "start",
            index: slot.id - 1,
            workers: this.#slots.length,
            config: this.#options.config,
            snapshot: this.#snapshot,
            holds: [],
          },
          this.#options.socket.handle as unknown as SendHandle, // a raw handle may be sent (child_process docs, "net.Native")
        );
        return;
      case "listening":
        process.state = "listening";
        this.#options.log.info({ worker: slot.id, worker_pid: process.pid }, "worker listens");
        if (this.#slots.every((each) => each.process?.state === "listening")) {
          this.#onAllListening?.();
          this.#onAllListening = null;
        }
        return;
      case "listen-failed":
        this.#options.onListenFailed(message.message);
        return;
      case "stats":
        process.stats = message.stats;
        return;
      case "admin-call": {
        const { id } = message;
        void this.#options
          .onAdminCall(message.call)
          .then((answer) => process.channel.send({ type: "admin-answer", id, answer }));
        return;
      }
      case "enter": {
        const { id, address } = message;
        const limit = this.#desk.enter(process.pid, address);
        process.channel.send({ type: "entered", id, address, limit });
        return;
      }
      case "leave":
        this.#desk.leave(process.pid, message.address);
        return;
      case "prepared":
      case "applied":
      case "held":
        return; // an answer that came after its time limit
    }
  }

  #onExit(slot: Slot, process: Process, code: number | null, signal: string | null): void {
    if (process.stats !== null) this.#retired = addRetired(this.#retired, process.stats);
    slot.process = null;
    this.#desk.forget(process.pid);
    if (this.#isStopping) return;
    const { clock, log } = this.#options;
    if (clock.nowMs() - process.startedAtMs >= SOUND_AFTER_MS) slot.delayMs = FIRST_DELAY_MS;
    const delayMs = slot.delayMs;
    slot.delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
    log.error(
      { worker: slot.id, worker_pid: process.pid, code, signal, restart_in_ms: delayMs },
      "worker died; it is replaced",
    );
    slot.restartTimer = setTimeout(() => {
      slot.restartTimer = null;
      this.#fork(slot);
    }, delayMs);
  }
}

/** How long a worker that was told to stop probing may take to say what it saw. */
const ABORTED_ANSWER_MS = 500;

/** @returns null after `ms`; does not keep the process alive. */
function delay(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), ms).unref();
  });
}
