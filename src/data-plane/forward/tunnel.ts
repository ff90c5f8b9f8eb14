/**
 * Tunnel: the bytes of an upgraded connection, both ways, until both sides have ended.
 *
 * Knows nothing of what it carries. A side that takes no more stops the other from being read; a side that ends is
 * ended on the other too, and what still comes the other way goes on (half-close). Silence has no limit while both
 * are open: dead peers are found by the kernel's probes.
 */
import type { Socket } from "node:net";
import type { Running } from "../backend/running.ts";

export interface TunnelEnd {
  readonly socket: Socket;
  /** What came behind the head, and belongs to the new protocol. */
  readonly rest: Buffer;
}

/** When one side has ended: how long the other may stay silent. A peer that keeps its half open must not leak the tunnel. */
const HALF_CLOSED_IDLE_MS = 5_000;

export class Tunnel implements Running {
  readonly #client: TunnelEnd;
  readonly #backend: TunnelEnd;
  readonly #running: Set<Running>;

  /** @param running counts it from `start` until both sides are gone. */
  constructor(client: TunnelEnd, backend: TunnelEnd, running: Set<Running>) {
    this.#client = client;
    this.#backend = backend;
    this.#running = running;
  }

  start(): void {
    const { socket: client } = this.#client;
    const { socket: backend } = this.#backend;
    this.#running.add(this);
    join(this.#client, backend);
    join(this.#backend, client);
    const settle = (): void => {
      if (client.destroyed && backend.destroyed) this.#running.delete(this);
    };
    client.once("close", settle);
    backend.once("close", settle);
    // Gone before the other was there.
    if (client.destroyed) backend.destroy();
    if (backend.destroyed) client.destroy();
    settle();
  }

  cutForDrain(): void {
    this.#client.socket.destroy();
    this.#backend.socket.destroy();
  }
}

/** Carries what comes from one side to the other. */
function join({ socket: from, rest }: TunnelEnd, to: Socket): void {
  if (rest.length > 0) to.write(rest);
  from.on("data", (bytes) => {
    if (!to.write(bytes)) from.pause();
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
