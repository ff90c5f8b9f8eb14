/**
 * RequestBody: a client's body on its way to the backend.
 *
 * Stands between node:http's request and undici, because undici destroys the stream it is given when the
 * backend answers early or fails, and the client's connection must survive that. Holds no more than one
 * stream buffer; a slow backend stops the reading.
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { noteStreamed } from "./stream-garbage.ts";

/** Told how many bytes have come in all, with each piece. */
export interface BodyOwner {
  onBodyProgress(bytes: number): void;
}

export class RequestBody extends Readable {
  readonly #request: IncomingMessage;
  readonly #owner: BodyOwner;
  #bytes = 0;

  constructor(request: IncomingMessage, owner: BodyOwner) {
    super();
    this.#request = request;
    this.#owner = owner;
  }

  /** A piece was taken from the client: it cannot be sent a second time. */
  get isTouched(): boolean {
    return this.#bytes > 0;
  }

  /** The client has sent all of it. */
  get isComplete(): boolean {
    return this.#request.complete;
  }

  /** The backend takes no more for now: it is not the client that is slow. */
  get isHeldBack(): boolean {
    return this.#request.isPaused();
  }

  override _construct(done: () => void): void {
    this.#request.on("data", this.#onData);
    this.#request.on("end", this.#onEnd);
    this.#request.pause(); // until somebody reads
    done();
  }

  override _read(): void {
    this.#request.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#request.off("data", this.#onData);
    this.#request.off("end", this.#onEnd);
    done(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    noteStreamed(chunk.length);
    this.#owner.onBodyProgress(this.#bytes);
    if (!this.destroyed && !this.push(chunk)) this.#request.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };
}
