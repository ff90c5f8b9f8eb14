/**
 * Channel: typed messages over Node's IPC between the primary and one worker.
 *
 * Used on both ends. `ask` sends a question and resolves with the answer that carries the same id; it has
 * a time limit, and it settles at once when the other end is gone. It keeps no queue of its own: what is
 * sent to a closed channel is dropped, and asked of one is answered `null`.
 */
import type { SendHandle } from "node:child_process";

/** The end of an IPC pipe: `process` in a worker, `worker.process` in the primary. */
export interface IpcEnd {
  readonly connected: boolean;
  send?(
    message: unknown,
    handle: SendHandle | undefined,
    options: object,
    done: (error: Error | null) => void,
  ): boolean;
  on(event: "message", listener: (message: unknown, handle: unknown) => void): unknown;
  on(event: "disconnect", listener: () => void): unknown;
}

interface Numbered {
  readonly id: number;
}

interface Asked<In> {
  readonly settle: (answer: In | null) => void;
  readonly timer: NodeJS.Timeout;
}

/** @typeParam Out what this end sends. @typeParam In what it receives. */
export class Channel<Out extends object, In extends object> {
  readonly #end: IpcEnd;
  readonly #asked = new Map<number, Asked<In>>();
  readonly #step: 1 | -1;
  #lastId = 0;

  /**
   * @param side both ends ask, so the primary numbers its questions upwards and a worker downwards:
   *   a question of one is never taken for an answer to the other.
   * @param receive gets every message that answers no question of ours.
   */
  constructor(end: IpcEnd, side: "primary" | "worker", receive: (message: In, handle: unknown) => void) {
    this.#end = end;
    this.#step = side === "primary" ? 1 : -1;
    end.on("message", (raw, handle) => {
      const message = raw as In; // both ends are this program, of one build
      const asked = "id" in message ? this.#asked.get((message as Numbered).id) : undefined;
      if (asked === undefined) receive(message, handle);
      else asked.settle(message);
    });
    end.on("disconnect", () => {
      for (const asked of [...this.#asked.values()]) asked.settle(null);
    });
  }

  /** Sends and forgets. A channel that is closed, or closes meanwhile, is no error: `disconnect` tells. */
  send(message: Out, handle?: SendHandle): void {
    if (!this.#end.connected) return;
    this.#end.send?.(message, handle, {}, () => {});
  }

  /** Sends; resolves when it is written, so that the process may exit or send more, or when it never will be. */
  write(message: Out): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#end.connected) return resolve();
      this.#end.send?.(message, undefined, {}, () => resolve());
    });
  }

  /**
   * Sends a question and waits for the message that has its id.
   *
   * @param question makes the message from the id to put in it.
   * @returns the answer, or null when none came within `timeoutMs` or the other end is gone. Never rejects.
   */
  ask<Answer extends In>(question: (id: number) => Out, timeoutMs: number): Promise<Answer | null> {
    if (!this.#end.connected) return Promise.resolve(null);
    this.#lastId += this.#step;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#asked.get(id)?.settle(null), timeoutMs);
      const settle = (answer: In | null): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(answer as Answer | null);
      };
      this.#asked.set(id, { settle, timer });
      this.send(question(id));
    });
  }
}
