/**
 * HeldRequest: one request that waits until a hold is over. Its body stays where it is: what was read of it waits in
 * the client's connection, bounded, the rest in the client.
 *
 * Keeps the text of the head alone and reads it anew when it goes on: a head is valid only while it is told, and its
 * text is the smallest copy of it.
 */
import type { ForwardErrorCode } from "../core/errors.ts";
import { Fields } from "../wire/fields.ts";
import { type RequestHead, readRequestHead } from "../wire/request-head.ts";
import type { ClientEvents } from "./forward/client-stream.ts";
import type { ClientConnection } from "./listener/client-connection.ts";

/** What becomes of a held request. */
export interface Way {
  /** As if it had come now, but that it does not wait again. @param startedAtMs when it came, by performance.now(). */
  goOn(client: ClientConnection, head: RequestHead, startedAtMs: number): void;
  refuse(client: ClientConnection, method: string, code: ForwardErrorCode, message: string): void;
  /** The client has left. */
  onGone(method: string, startedAtMs: number): void;
}

/** Where it waits. */
export interface Room {
  /** It waits no more. */
  leave(held: HeldRequest): void;
  /** It now takes `bytes`. @returns false: that is too much, and it has left. */
  resize(held: HeldRequest, bytes: number): boolean;
  /** Why it is too much, for people. */
  readonly fullMessage: string;
}

/** One for all of them: each head is used up before the next is read. */
const fields = new Fields();

export class HeldRequest implements ClientEvents {
  /** What of it is in memory. */
  bytes: number;
  readonly #room: Room;
  readonly #way: Way;
  readonly #client: ClientConnection;
  readonly #method: string;
  readonly #head: string;
  readonly #startedAtMs = performance.now();

  constructor(room: Room, way: Way, client: ClientConnection, head: RequestHead) {
    this.#room = room;
    this.#way = way;
    this.#client = client;
    this.#method = head.method;
    this.#head = head.fields.text;
    this.bytes = this.#head.length;
  }

  start(): void {
    this.#client.run(this);
  }

  goOn(): void {
    const head = readRequestHead(this.#head, fields, Number.POSITIVE_INFINITY); // it has been counted
    if ("fault" in head) this.#way.refuse(this.#client, this.#method, "INTERNAL_ERROR", head.fault);
    else this.#way.goOn(this.#client, head, this.#startedAtMs);
  }

  onReadAhead(bytes: number): void {
    if (this.#room.resize(this, this.#head.length + bytes)) return;
    this.#way.refuse(this.#client, this.#method, "HOLD_FULL", this.#room.fullMessage);
  }

  onClientGone(): void {
    this.#room.leave(this);
    this.#way.onGone(this.#method, this.#startedAtMs);
  }

  // Its body is not asked for, so none of it is told; nothing of its answer is written.
  onBodyPiece(): void {}
  onBodyReadDone(): void {}
  onBodyEnd(): void {}
  onBodyFault(): void {}
  onClientDrained(): void {}
}
