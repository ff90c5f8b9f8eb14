/**
 * Forks: how a worker's process is made, and those that were made ahead: while the primary still reads its config and
 * opens its state, they load their code. A process does nothing until it has been given what it serves by.
 */
import cluster, { type Worker } from "node:cluster";
import type { FromWorker } from "../../ipc/messages.ts";

/**
 * What the workers' node is started with; figures in README, "Memory".
 *
 * - One worker per core: helper threads of the garbage collection only get in each other's way.
 * - The young generation (MiB) holds what a thousand requests in flight need, whatever memory the machine has.
 * - Bodies that stream through buffers made for each read collect it themselves, see data-plane/sockets/garbage.ts.
 */
const WORKER_FLAGS = ["--no-parallel-scavenge", "--max-semi-space-size=16", "--expose-gc"];

/** In the primary alone; or every worker inherits it, and Node.js writes it into a diagnostic report. */
const SECRETS = { ADMIN_TOKEN: undefined };

export interface Fork {
  readonly worker: Worker;
  /** Its first message has come, when nobody listened yet. */
  readonly hasSaidHello: boolean;
}

/** As the Supervisor needs them. */
export interface ForkSource {
  /** @throws when the system has no room for a process. */
  next(): Fork;
  /** Ends those that nobody has taken. */
  killAll(): void;
}

export class Forks implements ForkSource {
  readonly #ahead: { readonly worker: Worker; hasSaidHello: boolean }[] = [];

  /** @param given the flags that the operator has set for node. */
  constructor(given: string) {
    cluster.setupPrimary({
      execArgv: [...process.execArgv, ...workerFlags(given)],
      serialization: "advanced", // Infinity ("unlimited") survives
    });
  }

  /** Fewer when the system has no room: whoever needs one asks again, and is told. */
  startAhead(count: number): void {
    for (let i = 0; i < count; i++) {
      try {
        this.#startOne();
      } catch {
        return;
      }
    }
  }

  next(): Fork {
    for (let fork = this.#ahead.shift(); fork !== undefined; fork = this.#ahead.shift()) {
      const { worker } = fork;
      if (worker.process.pid !== undefined && worker.isConnected() && !worker.isDead()) return fork;
    }
    return { worker: cluster.fork(SECRETS), hasSaidHello: false };
  }

  killAll(): void {
    for (const { worker } of this.#ahead.splice(0)) worker.process.kill("SIGKILL");
  }

  #startOne(): void {
    const worker = cluster.fork(SECRETS);
    const fork = { worker, hasSaidHello: false };
    worker.on("error", () => {}); // no process: `next` leaves it out
    worker.once("message", ({ type }: FromWorker) => {
      fork.hasSaidHello = type === "hello";
    });
    this.#ahead.push(fork);
  }
}

/** A V8 flag that the operator has set, on the command line or, where Node.js allows it, in NODE_OPTIONS, stays. */
function workerFlags(given: string): string[] {
  const isSet = (name: string): boolean => given.replaceAll("_", "-").includes(name);
  return WORKER_FLAGS.filter((flag) => {
    if (flag.startsWith("--max-semi-space-size")) return !isSet("semi-space-size");
    return !(flag === "--no-parallel-scavenge" && isSet("parallel-scavenge"));
  });
}
