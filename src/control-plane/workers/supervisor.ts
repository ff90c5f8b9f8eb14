/**
 * Supervisor: forks one worker per slot, replaces the dead with growing delay, and is the Fleet that the
 * switch and the admin API speak to.
 *
 * Runs in the primary. It decides nothing about versions: what a worker serves by it asks its watcher, the switch,
 * and hands it over before that worker listens.
 */
import type { SendHandle } from "node:child_process";
import type { Worker } from "node:cluster";
import type { Logger } from "pino";
import type { Config } from "../../config/schema.ts";
import type { PoolsSnapshot } from "../../config/snapshot.ts";
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import type { Clock } from "../../core/clock.ts";
import { Channel } from "../../ipc/channel.ts";
import type { FromWorker, SwitchOrder, ToWorker } from "../../ipc/messages.ts";
import type { WorkerStats } from "../../telemetry/worker-stats.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import type { Fleet, WorkerInfo, WorkerState, WorkerWatcher } from "./fleet.ts";
import type { Fork, ForkSource } from "./forks.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import { PoolsPost } from "./pools-post.ts";
import { addRetired } from "./retired.ts";

/** The first death of a slot is made good at once; what dies again and again must not eat the machine. */
const FIRST_DELAY_MS = 0;
const SECOND_DELAY_MS = 100;
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
  readonly poolsPost: PoolsPost;
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
  readonly watcher: WorkerWatcher;
  /** The backends as they are now. */
  readonly pools: () => PoolsSnapshot;
  readonly clock: Clock;
  readonly log: Logger;
  readonly forks: ForkSource;
  readonly onAdminCall: (call: AdminCall) => Promise<AdminAnswer>;
  /** Told after each change, also when a worker is gone. */
  readonly onWorkerState?: (worker: number, pid: number, state: WorkerState | "gone") => void;
  /** A worker cannot listen: nothing that a restart would mend. */
  readonly onListenFailed: (message: string) => void;
  /** A worker cannot start, and not all have ever listened. */
  readonly onStartFailed: (message: string) => void;
}

export class Supervisor implements Fleet {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  readonly #desk: ConnectionDesk;
  #retired: WorkerStats | null = null;
  #isStopping = false;
  #onAllListening: (() => void) | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.config.server.workers }, (_, index) => ({
      id: index + 1,
      process: null,
      delayMs: FIRST_DELAY_MS,
      restartTimer: null,
    }));
    const { maxConnections, maxConnectionsPerClient } = options.config.server;
    this.#desk = new ConnectionDesk({ total: maxConnections, perClient: maxConnectionsPerClient });
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

  tell(pid: number, order: SwitchOrder): void {
    this.#find(pid)?.process.channel.send(order);
  }

  /** Every worker that has been told of the backends is told anew. */
  tellPools(pools: PoolsSnapshot): void {
    for (const { process } of this.#processes()) {
      if (process.isInformed) process.poolsPost.tell(pools);
    }
  }

  kill(pid: number, phase: string): void {
    const found = this.#find(pid);
    if (found === undefined) return;
    const { slot, process } = found;
    this.#options.log.error(
      { worker: slot.id, worker_pid: pid, phase },
      "worker did not acknowledge the switch; killed and replaced",
    );
    process.worker.process.kill("SIGKILL");
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
        if (answer !== null) noteStats(process, answer.stats);
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
    this.#options.forks.killAll();
    this.#options.socket.handle.close(); // ours; the queue ends when the last worker has closed its own
    for (const slot of this.#slots) {
      if (slot.restartTimer !== null) clearTimeout(slot.restartTimer);
    }
    await Promise.all(
      this.#processes().map(async ({ slot, process }) => {
        process.state = "stopping";
        this.#options.onWorkerState?.(slot.id, process.pid, "stopping");
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
  killAll(): void {
    this.#isStopping = true;
    this.#options.forks.killAll();
    for (const { process } of this.#processes()) process.worker.process.kill("SIGKILL");
  }

  #find(pid: number): { slot: Slot; process: Process } | undefined {
    return this.#processes().find(({ process }) => process.pid === pid);
  }

  #processes(): { slot: Slot; process: Process }[] {
    return this.#slots.flatMap((slot) => (slot.process === null ? [] : [{ slot, process: slot.process }]));
  }

  #fork(slot: Slot): void {
    const { clock, log } = this.#options;
    const fork = this.#spawn(slot);
    if (fork === null) return;
    const { worker } = fork;
    const channel = new Channel<ToWorker, FromWorker>(worker.process, "primary", (message) =>
      this.#receive(slot, process, message),
    );
    const process: Process = {
      worker,
      channel,
      poolsPost: new PoolsPost((pools) => channel.write({ type: "pools", pools })),
      pid: worker.process.pid ?? 0, // #spawn has seen that there is one
      startedAtMs: clock.nowMs(),
      exited: new Promise((resolve) => worker.once("exit", () => resolve())),
      state: "starting",
      isInformed: false,
      epoch: -1,
      stats: null,
    };
    slot.process = process;
    this.#options.onWorkerState?.(slot.id, process.pid, "starting");
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
    worker.on("error", (error) => log.error({ worker: slot.id, err: error }, "worker process failed"));
    worker.once("exit", (code, signal) => this.#onExit(slot, process, code, signal));
    if (fork.hasSaidHello) this.#inform(slot, process);
  }

  /** @returns null when the system has no room for a process (EAGAIN, EMFILE, ENOMEM, …): there is no "exit" then. */
  #spawn(slot: Slot): Fork | null {
    const failed = (error: unknown): void =>
      this.#restart(slot, { err: error }, "a worker could not be started; it is tried again");
    try {
      const fork = this.#options.forks.next();
      if (fork.worker.process.pid !== undefined) return fork;
      fork.worker.once("error", failed);
    } catch (error) {
      failed(error);
    }
    return null;
  }

  #receive(slot: Slot, process: Process, message: FromWorker): void {
    if (slot.process !== process) return; // the last words of one that is gone: whoever is told of it waits for ever
    switch (message.type) {
      case "hello":
        this.#inform(slot, process);
        return;
      case "listening":
        if (process.state !== "starting") return; // it is to stop
        process.state = "listening";
        this.#options.watcher.onWorker({ type: "worker-listening", pid: process.pid });
        this.#options.onWorkerState?.(slot.id, process.pid, "listening");
        this.#options.log.info({ worker: slot.id, worker_pid: process.pid }, "worker listens");
        if (this.#slots.every((each) => each.process?.state === "listening")) {
          this.#onAllListening?.();
          this.#onAllListening = null;
        }
        return;
      case "listen-failed":
        this.#options.onListenFailed(message.message);
        return;
      case "start-failed":
        // Later the others go on: what has served until now was broken while it did, and may be mended.
        if (this.#onAllListening !== null) this.#options.onStartFailed(message.message);
        else this.#options.log.error({ worker: slot.id }, `a worker cannot start: ${message.message}`);
        return;
      case "stats":
        noteStats(process, message.stats);
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
      case "applied":
        process.epoch = message.epoch;
        this.#options.watcher.onWorker({ pid: process.pid, ...message });
        return;
      case "prepared":
      case "held":
        this.#options.watcher.onWorker({ pid: process.pid, ...message });
        return;
    }
  }

  /** Gives a worker what it serves by, and the socket to listen on. */
  #inform(slot: Slot, process: Process): void {
    const { config, socket, watcher, pools } = this.#options;
    const { snapshot, holds } = watcher.workerBorn(process.pid, slot.id);
    process.isInformed = true;
    process.epoch = snapshot.epoch;
    process.channel.send(
      {
        type: "start",
        index: slot.id - 1,
        workers: this.#slots.length,
        config,
        snapshot,
        pools: pools(),
        holds,
      },
      socket.handle as unknown as SendHandle, // a raw handle may be sent (child_process docs, "net.Native")
    );
  }

  #onExit(slot: Slot, process: Process, code: number | null, signal: string | null): void {
    if (process.stats !== null) this.#retired = addRetired(this.#retired, process.stats);
    slot.process = null;
    this.#desk.forget(process.pid);
    this.#options.watcher.onWorker({ type: "worker-gone", pid: process.pid });
    this.#options.onWorkerState?.(slot.id, process.pid, "gone");
    if (this.#options.clock.nowMs() - process.startedAtMs >= SOUND_AFTER_MS) slot.delayMs = FIRST_DELAY_MS;
    this.#restart(slot, { worker_pid: process.pid, code, signal }, "worker died; it is replaced");
  }

  #restart(slot: Slot, why: object, sentence: string): void {
    if (this.#isStopping) return;
    const delayMs = slot.delayMs;
    slot.delayMs = Math.min(Math.max(delayMs * 2, SECOND_DELAY_MS), LONGEST_DELAY_MS);
    this.#options.log.error({ worker: slot.id, ...why, restart_in_ms: delayMs }, sentence);
    slot.restartTimer = setTimeout(() => {
      slot.restartTimer = null;
      this.#fork(slot);
    }, delayMs);
  }
}

/** @returns null after `ms`; does not keep the process alive. */
function delay(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), ms).unref();
  });
}

/** What was not told this time stays as it was. */
function noteStats(process: Process, stats: WorkerStats): void {
  process.stats = { ...stats, pools: stats.pools ?? process.stats?.pools ?? null };
}
