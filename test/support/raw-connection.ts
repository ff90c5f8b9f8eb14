/** One end of a connection over a bare socket: what the raw client and the raw backend of a case share. */
import type { Socket } from "node:net";
import { withLimit } from "./wait.ts";

/** How the connection ended: the other side closed it, broke it, or we did. */
export type Ending = "end" | "reset" | "local";

export abstract class RawConnection {
  readonly socket: Socket;
  /** Resolves when nothing more will be read, with how that came about. Never rejects. */
  readonly closed: Promise<Ending>;
  #ending: Ending | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#ending ??= ending;
        resolve(this.#ending);
        this.onEnding(ending);
      };
      socket.once("end", () => end("end"));
      socket.once("error", () => end("reset"));
      socket.once("close", () => end("local"));
    });
  }

  /** How long each wait may take that is given no limit of its own. */
  protected abstract get waitLimitMs(): number;
  /** Told of every sign of the end: the first one is the `ending`. */
  protected abstract onEnding(sign: Ending): void;
  /** For error texts. */
  protected abstract describe(): string;

  /** How the connection ended; undefined while it is open. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** A string is sent byte for byte (latin1). Never throws; a connection that is gone shows in `closed`. */
  send(bytes: string | Uint8Array): this {
    if (typeof bytes === "string") this.socket.write(bytes, "latin1");
    else this.socket.write(bytes);
    return this;
  }

  /** Like `send`, and resolves when the kernel has taken the bytes: the other side lets us. */
  async sendAll(bytes: Uint8Array, limitMs = this.waitLimitMs): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    await withLimit(written, limitMs, `${bytes.length} bytes to be taken`);
  }

  /** Ends our direction only. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /**
   * Ends with a RST. What is just being ended has to be over first: Node.js 24 answers a reset in between with EINVAL,
   * keeps the socket for ever, and its process then never exits.
   */
  reset(): void {
    const { socket } = this;
    const isBeingEnded = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
    if (isBeingEnded) socket.once("finish", () => socket.resetAndDestroy());
    else socket.resetAndDestroy();
  }

  /** Stops reading, so that the other side feels back-pressure. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  async waitClosed(limitMs = this.waitLimitMs): Promise<Ending> {
    return await withLimit(this.closed, limitMs, "the connection to close", () => this.describe());
  }
}
