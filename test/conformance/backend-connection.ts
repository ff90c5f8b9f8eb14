/** One connection of the proxy to the backend of a case: reads strictly, writes whatever the case wants. */
import type { Socket } from "node:net";
import { RawClient } from "../support/raw-client.ts";
import { type Ending, RawConnection } from "../support/raw-connection.ts";
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

export class BackendConnection extends RawConnection {
  readonly requests: SeenRequest[] = [];
  /** All bytes that came, before and after it became a tunnel. */
  bytesReceived = 0;
  readonly #owner: ConnectionOwner;
  readonly #parser: RequestParser;
  #reading: SeenRequest | undefined;
  #violation: string | undefined;
  #tunnel: RawClient | undefined;

  constructor(socket: Socket, owner: ConnectionOwner) {
    super(socket);
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
  }

  protected get waitLimitMs(): number {
    return this.#owner.waitLimitMs;
  }

  protected onEnding(sign: Ending): void {
    // A proxy may close its direction after a request and still read: then the case answers, or ends it.
    const isDone = this.#tunnel === undefined && this.requests.every(({ isAnswered }) => isAnswered);
    if (sign === "end" && isDone) this.socket.end();
    this.#owner.changed.notify();
  }

  protected describe(): string {
    return `the proxy's connection to the backend is ${this.ending ?? "open"}`;
  }

  /** Bytes that came and make no whole head: at the end of a case there should be none. */
  get leftover(): Buffer {
    const isPartOfRequest = this.#parser.isInsideBody || this.#violation !== undefined || this.#tunnel;
    return isPartOfRequest ? Buffer.alloc(0) : this.#parser.pending;
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
    this.#tunnel = new RawClient(this.socket, { waitLimitMs: this.waitLimitMs });
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
    limitMs = this.waitLimitMs,
  ): Promise<void> {
    const look = (): boolean => {
      if (holds()) return true;
      const came = `${request.bodyBytes} bytes of the body came`;
      if (request.isComplete)
        throw new Error(`the body of ${request.requestLine} ended before ${what}: ${came}`);
      if (this.#violation !== undefined) throw new Error(`${this.#violation} in the body; ${came}`);
      if (this.ending !== undefined) {
        throw new Error(`the proxy's connection ended (${this.ending}) before ${what}: ${came}`);
      }
      return false;
    };
    await this.#owner.changed.until(`${what} of ${request.requestLine}`, look, limitMs);
  }
}
