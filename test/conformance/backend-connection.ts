/** One connection of the proxy to the backend of a case: reads strictly, writes whatever the case wants. */
import type { Socket } from "node:net";
import { type Ending, RawClient } from "../support/raw-client.ts";
import { withLimit } from "../support/wait.ts";
import { RequestParser } from "./request-parser.ts";
import { SeenRequest } from "./seen-request.ts";
import type { Signal } from "./signal.ts";

/** What a connection tells its backend. */
export interface ConnectionOwner {
  readonly changed: Signal;
  readonly waitLimitMs: number;
  requestSeen(request: SeenRequest): void;
  violationSeen(what: string): void;
}

export class BackendConnection {
  readonly socket: Socket;
  /** Resolves when the proxy has ended or broken the connection, or we did, with which it was. Never rejects. */
  readonly closed: Promise<Ending>;
  readonly requests: SeenRequest[] = [];
  /** All bytes that came, before and after it became a tunnel. */
  bytesReceived = 0;
  readonly #owner: ConnectionOwner;
  readonly #parser: RequestParser;
  #reading: SeenRequest | undefined;
  #ending: Ending | undefined;
  #violation: string | undefined;
  #tunnel: RawClient | undefined;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.socket = socket;
    this.#owner = owner;
    this.#parser = new RequestParser({
      head: (head) => {
        this.#reading = new SeenRequest(head, this);
        this.requests.push(this.#reading);
        owner.requestSeen(this.#reading);
      },
      body: (bytes) => this.#reading?.receive(bytes),
      end: (trailers) => {
        if (this.#reading) Object.assign(this.#reading, { trailers, isComplete: true });
      },
      violation: (what) => {
        this.#violation = what;
        owner.violationSeen(what);
        // What any strict server does; whoever waits for the answer need not wait for ever.
        socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      },
    });
    socket.on("data", (bytes: Buffer) => {
      this.bytesReceived += bytes.length;
      if (this.#tunnel === undefined) this.#parser.push(bytes);
      owner.changed.notify();
    });
    this.closed = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#ending ??= ending;
        resolve(this.#ending);
        owner.changed.notify();
      };
      socket.once("end", () => {
        // A proxy may close its direction after a request and still read: then the case answers, or ends it.
        if (this.#tunnel === undefined && this.requests.every(({ isAnswered }) => isAnswered)) socket.end();
        end("end");
      });
      socket.once("error", () => end("reset"));
      socket.once("close", () => end("local"));
    });
  }

  /** How it ended; undefined while it is open. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Bytes that came and make no whole head: at the end of a case there should be none. */
  get leftover(): Buffer {
    const isPartOfRequest = this.#parser.isInsideBody || this.#violation !== undefined || this.#tunnel;
    return isPartOfRequest ? Buffer.alloc(0) : this.#parser.pending;
  }

  /** Writes bytes that belong to no request in particular. */
  send(bytes: string | Uint8Array): this {
    if (typeof bytes === "string") this.socket.write(bytes, "latin1");
    else this.socket.write(bytes);
    return this;
  }

  /** Like `send`, and resolves when the kernel has taken the bytes: the proxy reads. */
  async sendAll(bytes: Uint8Array, limitMs = this.#owner.waitLimitMs): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    await withLimit(written, limitMs, `${bytes.length} bytes to be taken by the proxy`);
  }

  /** Ends our direction only. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Ends with a RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Stops reading, so that the proxy feels back-pressure. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  async waitClosed(limitMs = this.#owner.waitLimitMs): Promise<Ending> {
    return await withLimit(this.closed, limitMs, "the proxy to close its connection to the backend");
  }

  /** For SeenRequest: an answer to one request, or a piece of it. */
  answer(request: SeenRequest, bytes: string | Uint8Array): void {
    const start =
      typeof bytes === "string" ? bytes.slice(0, 12) : Buffer.from(bytes).toString("latin1", 0, 12);
    if (request.isAnswered || !/^HTTP\/1\.[01] 1/.test(start)) {
      request.isAnswered = true;
      if (request.asksForTunnel) this.#parser.release();
    }
    this.send(bytes);
  }

  /** For SeenRequest.accept(): from here on bytes are no longer requests. */
  becomeTunnel(): RawClient {
    if (this.#tunnel) return this.#tunnel;
    this.#tunnel = new RawClient(this.socket, { waitLimitMs: this.#owner.waitLimitMs });
    // Through the socket's own event, so that RawClient counts and keeps them like the rest.
    const early = Buffer.from(this.#parser.pending);
    if (early.length > 0) this.#tunnel.receive(early);
    return this.#tunnel;
  }

  /** For SeenRequest: waits until `holds`, and throws as soon as it can no longer come true. */
  async until(
    request: SeenRequest,
    what: string,
    holds: () => boolean,
    limitMs = this.#owner.waitLimitMs,
  ): Promise<void> {
    const look = (): boolean => {
      if (holds()) return true;
      const came = `${request.bodyBytes} bytes of the body came`;
      if (request.isComplete)
        throw new Error(`the body of ${request.requestLine} ended before ${what}: ${came}`);
      if (this.#violation !== undefined) throw new Error(`${this.#violation} in the body; ${came}`);
      if (this.#ending !== undefined) {
        throw new Error(`the proxy's connection ended (${this.#ending}) before ${what}: ${came}`);
      }
      return false;
    };
    await this.#owner.changed.until(`${what} of ${request.requestLine}`, look, limitMs);
  }
}
