/**
 * Tunnel: the bytes of an upgraded connection, both ways, until both sides have ended.
 *
 * A side that takes no more stops the other from being read; a side that ends is ended on the other too, and what
 * still comes the other way goes on (half-close). Silence has no limit while both are open: dead peers are found by the
 * kernel's probes. Of what it carries it knows one thing: between which bytes of the backend a WebSocket may be closed.
 */
import type { Socket } from "node:net";
import { CLOSE_SERVICE_RESTART, WebSocketFrames } from "../../wire/websocket-frames.ts";
import type { LongRunning } from "../backend/running.ts";

export interface TunnelEnd {
  readonly socket: Socket;
  /** What came behind the head, and belongs to the new protocol. */
  readonly rest: Buffer;
}

/** When one side has ended: how long the other may stay silent. A peer that keeps its half open must not leak the tunnel. */
const HALF_CLOSED_IDLE_MS = 5_000;
/** A drained WebSocket in the middle of a frame: how long the backend has to end it. */
const FRAME_END_MS = 10_000;
/** How long client and backend have for their part of the closing handshake. */
const CLOSING_MS = 5_000;

const OPEN = 0;
/** To be closed behind the frame that is under way. */
const ASKED = 1;
/** A close frame has been sent: what the backend still says is not for the client. */
const CLOSING = 2;

export class Tunnel implements LongRunning {
  turnAtMs = 0;
  readonly #client: TunnelEnd;
  readonly #backend: TunnelEnd;
  readonly #running: Set<LongRunning>;
  /** Of the backend; null: the protocol has no close frame that we know. */
  readonly #frames: WebSocketFrames | null;
  #phase: typeof OPEN | typeof ASKED | typeof CLOSING = OPEN;
  #limit: NodeJS.Timeout | undefined;

  /** @param running counts it from `start` until both sides are gone. */
  constructor(client: TunnelEnd, backend: TunnelEnd, running: Set<LongRunning>, isWebSocket: boolean) {
    this.#client = client;
    this.#backend = backend;
    this.#running = running;
    this.#frames = isWebSocket ? new WebSocketFrames() : null;
  }

  start(): void {
    const { socket: client } = this.#client;
    const { socket: backend } = this.#backend;
    this.#running.add(this);
    join(this.#client, backend, (bytes) => backend.write(bytes));
    join(this.#backend, client, (bytes) => this.#tellClient(bytes));
    const settle = (): void => {
      if (!client.destroyed || !backend.destroyed) return;
      clearTimeout(this.#limit);
      this.#running.delete(this);
    };
    client.once("close", settle);
    backend.once("close", settle);
    // Gone before the other was there.
    if (client.destroyed) backend.destroy();
    if (backend.destroyed) client.destroy();
    settle();
  }

  /** @returns false when the client takes no more for now. */
  #tellClient(bytes: Buffer): boolean {
    const { socket: client } = this.#client;
    const frames = this.#frames;
    if (frames === null) return client.write(bytes);
    if (this.#phase === OPEN) {
      frames.pass(bytes);
      return client.write(bytes);
    }
    if (this.#phase === CLOSING) return true;
    const end = frames.passToEnd(bytes);
    const takesMore = client.write(end === bytes.length ? bytes : bytes.subarray(0, end));
    if (!frames.isBetween) return takesMore;
    this.#close(frames);
    return true;
  }

  endForDrain(): void {
    if (this.#phase !== OPEN) return;
    if (this.#frames === null) return this.cutForDrain();
    this.#phase = ASKED;
    this.#setLimit(FRAME_END_MS);
    if (this.#frames.isBetween) this.#close(this.#frames);
  }

  /** The client answers with a close frame of its own, which goes on to the backend (RFC 6455 §5.5.1). */
  #close(frames: WebSocketFrames): void {
    this.#phase = CLOSING;
    const { socket: client } = this.#client;
    if (!frames.hasClosed && client.writable) client.write(CLOSE_SERVICE_RESTART);
    this.#setLimit(CLOSING_MS);
  }

  #setLimit(limitMs: number): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.cutForDrain(), limitMs).unref();
  }

  keep(): void {
    if (this.#phase !== ASKED) return;
    clearTimeout(this.#limit);
    this.#phase = OPEN;
  }

  cutForDrain(): void {
    if (this.#phase === OPEN && this.#frames?.isBetween === true) this.#close(this.#frames); // as far as it goes
    this.#client.socket.destroy();
    this.#backend.socket.destroy();
  }
}

/** Carries what comes from one side to the other. @param tell writes it there; false: it takes no more for now. */
function join({ socket: from, rest }: TunnelEnd, to: Socket, tell: (bytes: Buffer) => boolean): void {
  if (rest.length > 0) tell(rest);
  from.on("data", (bytes) => {
    if (!tell(bytes)) from.pause();
  });
  to.on("drain", () => from.resume());
  from.on("end", () => {
    to.end();
    for (const side of [from, to]) {
      side.setTimeout(HALF_CLOSED_IDLE_MS, () => {
        from.destroy();
        to.destroy();
      });
    }
  });
  from.on("error", () => to.destroy()); // "close" follows
  from.once("close", () => to.destroySoon());
  if (from.readableEnded) to.end();
  else from.resume();
}
