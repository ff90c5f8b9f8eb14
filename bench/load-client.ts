/** The load driver as a bench sees it: a process that is asked for one sample at a time. */
import { withLimit } from "../test/support/wait.ts";
import { type FromLoad, type LoadJob, type LoadSample, limitOf, type ToLoad } from "./load/jobs.ts";
import { programPath } from "./place.ts";
import { type RunningProcess, startProcess } from "./process.ts";

export class LoadClient {
  readonly #core: number | undefined;
  #process: RunningProcess;
  #lastId = 0;

  constructor(core: number | undefined) {
    this.#core = core;
    this.#process = start(core);
  }

  /** @throws Error when any answer was not what it should be, any connection broke, or the driver is late. */
  async run(job: LoadJob): Promise<LoadSample> {
    const id = ++this.#lastId;
    const running = this.#process;
    const { promise, resolve, reject } = Promise.withResolvers<LoadSample>();
    const onMessage = (message: unknown): void => {
      const answer = message as FromLoad;
      if (answer.id !== id) return;
      if (answer.type === "loaded") resolve(answer.sample);
      else reject(new Error(answer.message));
    };
    const onExit = (): void => reject(new Error(`load ended\n${running.output()}`));
    running.child.on("message", onMessage).once("exit", onExit);
    const message: ToLoad = { type: "load", id, job };
    running.child.send(message);
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    try {
      return await withLimit(settled, limitOf(job), "the load driver", running.output);
    } finally {
      running.child.off("message", onMessage).off("exit", onExit);
      if (!isSettled) await this.#restart();
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** What is late may still make load, with its own processes. */
  async #restart(): Promise<void> {
    await this.#process.stop();
    this.#process = start(this.#core);
  }
}

function start(core: number | undefined): RunningProcess {
  const command = { command: process.execPath, args: [programPath("bench/load")] };
  return startProcess(command, { core, withIpc: true });
}
