/** The load driver as a bench sees it: a process that is asked for one sample at a time. */

import { withLimit } from "../test/support/wait.ts";
import { type FromLoad, type LoadJob, type LoadSample, limitOf, type ToLoad } from "./load/jobs.ts";
import { programPath } from "./place.ts";
import { type RunningProcess, startProcess } from "./process.ts";

export class LoadClient {
  readonly #process: RunningProcess;
  readonly #waiting = new Map<number, { resolve(sample: LoadSample): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(core: number | undefined) {
    const command = { command: process.execPath, args: [programPath("bench/load")] };
    this.#process = startProcess(command, { core, withIpc: true });
    this.#process.child.on("message", (message) => this.#settle(message as FromLoad));
    this.#process.child.once("exit", () => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`load ended\n${this.#process.output()}`));
    });
  }

  /** @throws Error when any answer was not 2xx, any connection broke, or the driver is late. */
  async run(job: LoadJob): Promise<LoadSample> {
    const id = ++this.#lastId;
    const answered = new Promise<LoadSample>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const message: ToLoad = { type: "load", id, job };
    this.#process.child.send(message);
    return await withLimit(answered, limitOf(job), "the load driver", this.#process.output);
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  #settle(message: FromLoad): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === "loaded") waiting?.resolve(message.sample);
    else waiting?.reject(new Error(message.message));
  }
}
