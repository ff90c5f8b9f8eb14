/**
 * Connection turns: the calls of one connection run one after the other, each until its answer is taken.
 *
 * Runs in the primary. Node.js starts every call of a pipeline at once and keeps all their answers: a few bytes from
 * somebody who reads nothing would fill our memory. Knows nothing of what a call does.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** How many may wait behind the one that runs; nobody who means well sends more. */
export const MAX_WAITING_CALLS = 32;

interface Turns {
  running: IncomingMessage;
  readonly waiting: (() => void)[];
  isLast: boolean;
}

export class ConnectionTurns {
  /** Of every connection with a call that runs. */
  readonly #turns = new WeakMap<Socket, Turns>();

  /**
   * Ends the connection when the calls that came whole are answered: what came behind them is no call.
   *
   * @returns false when there is none, so that whoever calls has an answer to give.
   */
  endAfterWholeCalls(connection: Socket): boolean {
    const turns = this.#turns.get(connection);
    if (turns?.running.complete !== true) return false;
    turns.isLast = true;
    return true;
  }

  /** @param start begins the call, now or later; its turn ends when the answer in `res` is out. */
  take(req: IncomingMessage, res: ServerResponse, start: () => void): void {
    const connection = req.socket;
    const begin = (turns: Turns): void => {
      turns.running = req;
      res.once("finish", () => this.#next(connection, turns));
      start();
    };
    const turns = this.#turns.get(connection);
    if (turns === undefined) {
      const first: Turns = { running: req, waiting: [], isLast: false };
      this.#turns.set(connection, first);
      begin(first);
    } else if (turns.waiting.length < MAX_WAITING_CALLS) turns.waiting.push(() => begin(turns));
    else connection.destroy();
  }

  /** What waits on a connection that takes no further answer is not begun: its caller would not hear of it. */
  #next(connection: Socket, { waiting, isLast }: Turns): void {
    const next = connection.writable ? waiting.shift() : undefined;
    if (next !== undefined) return next();
    this.#turns.delete(connection);
    if (isLast) connection.destroySoon();
  }
}
