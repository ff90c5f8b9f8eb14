/**
 * Tunnel: the bytes of an upgraded connection, both ways, until both sides have ended.
 *
 * A side that takes no more stops the other from being read; a side that ends is ended on the other too, and what
 * still comes the other way goes on (half-close). Silence has no limit while both are open: dead peers are found by the
 * kernel's probes. Of what it carries it knows one thing: between which bytes of the backend a WebSocket may be closed.
 */
import { CLOSE_SERVICE_RESTART, WebSocketFrames } from "../../wire/websocket-frames.ts";
import type { LongRunning } from "../backend/running.ts";
import type { Transport, TransportUser } from "../sockets/transport.ts";

export interface TunnelEnd {
  readonly transport: Transport;
  /** What came behind the head, and belongs to the new protocol. */
  readonly rest: Buffer;
}

/** When one side has ended: how long the other may stay silent. A peer that keeps its half open must not leak the tunnel. */
const HALF_CLOSED_IDLE_MS = 5_000;
/** A drained WebSocket in the middle of a frame: how long the backend has to end it. */
const FRAME_END_MS = 10_000;
/** How long client and backend have for their part of the closing handshake. */
const CLOSING_MS = 5_000;
/** Between two reads of what is only thrown away. */
const DROP_EVERY_MS = 10;

/** Up to this size copying costs less than keeping. */
const SMALL_BYTES = 4 * 1024;

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
  /** Runs while one side has ended and nothing happens. */
  #halfClosed: NodeJS.Timeout | undefined;

  /** @param running counts it from `start` until both sides are gone. */
  constructor(client: TunnelEnd, backend: TunnelEnd, running: Set<LongRunning>, isWebSocket: boolean) {
    this.#client = client;
    this.#backend = backend;
    this.#running = running;
    this.#frames = isWebSocket ? new WebSocketFrames() : null;
  }

  start(): void {
    const { transport: client } = this.#client;
    const { transport: backend } = this.#backend;
    this.#running.add(this);
    client.user = new Side(client, backend, (bytes) => write(backend, bytes), this);
    backend.user = new Side(backend, client, (bytes) => this.#tellClient(bytes), this);
    if (this.#client.rest.length > 0) client.user.onBytes(this.#client.rest);
    if (this.#backend.rest.length > 0) backend.user.onBytes(this.#backend.rest);
    if (client.hasEnded) client.user.onFin();
    if (backend.hasEnded) backend.user.onFin();
    // Gone before the other was there.
    if (client.isDestroyed) backend.destroy();
    if (backend.isDestroyed) client.destroy();
    this.settle();
  }

  /** One side is gone. */
  settle(): void {
    if (!this.#client.transport.isDestroyed || !this.#backend.transport.isDestroyed) return;
    clearTimeout(this.#limit);
    clearTimeout(this.#halfClosed);
    this.#running.delete(this);
  }

  /** One side has ended: something has to happen again and again from here on. */
  expectEnd(): void {
    this.#halfClosed ??= setTimeout(() => {
      this.#client.transport.destroy();
      this.#backend.transport.destroy();
    }, HALF_CLOSED_IDLE_MS).unref();
  }

  noteLife(): void {
    this.#halfClosed?.refresh();
  }

  #tellClient(bytes: Buffer): void {
    const { transport: client } = this.#client;
    const frames = this.#frames;
    if (frames === null || this.#phase === OPEN) {
      frames?.pass(bytes);
      return write(client, bytes);
    }
    if (this.#phase === CLOSING) return this.#drop();
    const end = frames.passToEnd(bytes);
    write(client, end === bytes.length ? bytes : bytes.subarray(0, end));
    if (frames.isBetween) this.#close(frames);
  }

  /** A backend that goes on sending at full speed would take the time that its clients need for their last messages. */
  #drop(): void {
    const { transport: backend } = this.#backend;
    backend.pause();
    setTimeout(() => backend.resume(), DROP_EVERY_MS).unref();
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
    const { transport: client } = this.#client;
    if (!frames.hasClosed && client.isWritable) client.writeParts([CLOSE_SERVICE_RESTART]);
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
    this.#client.transport.destroy();
    this.#backend.transport.destroy();
  }
}

/** A small message as text: that is its one copy, and it leaves without being kept. */
function write(to: Transport, bytes: Buffer): void {
  if (bytes.length > SMALL_BYTES) to.writeParts([bytes]);
  else to.writeText(bytes.toString("latin1", 0, bytes.length));
}

/** Carries what comes from one side to the other. */
class Side implements TransportUser {
  readonly #from: Transport;
  readonly #to: Transport;
  readonly #tell: (bytes: Buffer) => void;
  readonly #tunnel: Tunnel;

  constructor(from: Transport, to: Transport, tell: (bytes: Buffer) => void, tunnel: Tunnel) {
    this.#from = from;
    this.#to = to;
    this.#tell = tell;
    this.#tunnel = tunnel;
  }

  onBytes(bytes: Buffer): void {
    this.#tunnel.noteLife();
    this.#tell(bytes);
    this.#from.isBulk = bytes.length > SMALL_BYTES; // a small message gives the buffer back
    if (this.#to.isFull) this.#from.pause();
  }

  /** What was written to this side has left: the other may send more. */
  onDrained(): void {
    this.#tunnel.noteLife();
    this.#to.resume();
  }

  onFin(): void {
    this.#to.end();
    this.#tunnel.expectEnd();
  }

  onClosed(error: Error | null): void {
    if (error === null) this.#to.destroySoon();
    else this.#to.destroy();
    this.#tunnel.settle();
  }
}
