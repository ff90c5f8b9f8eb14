/**
 * Conversation: numbered messages over one WebSocket of a client, each of which must come back, in order and whole,
 * until one side closes. Tells the ledger how it ended.
 */
import type { Socket } from "node:net";
import type { Version } from "../core/version.ts";
import type { Cut } from "./ledger.ts";
import { ANSWER_LIMIT_MS, type Load } from "./load.ts";
import {
  CLOSE,
  closeCodeOf,
  encodeClose,
  encodeFrame,
  type Frame,
  FrameReader,
  OPCODE,
} from "./websocket.ts";

const KIND = "websocket";
const MESSAGE_INTERVAL_MS = 20;
/** A message is longer than the 125 bytes of the shortest kind of frame. */
const PADDING = ".".repeat(150);
/** From a close frame to the end of the connection. */
const CLOSE_LIMIT_MS = 5_000;

export interface Opened {
  readonly socket: Socket;
  readonly version: Version;
  readonly localPort: number | null;
}

export class Conversation {
  readonly #load: Load;
  readonly #opened: Opened;
  readonly #reader = new FrameReader();
  readonly #over = Promise.withResolvers<void>();
  /** When the messages were sent that have not come back, oldest first. */
  readonly #unanswered: number[] = [];
  #answered = 0;
  #hasClosed = false;
  #isOver = false;
  #sending: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(load: Load, opened: Opened) {
    this.#load = load;
    this.#opened = opened;
  }

  /** @param head what came behind the handshake. Settles when it is over. */
  run(head: Buffer): Promise<void> {
    const { socket } = this.#opened;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", (error) => this.#cut(error.message));
    socket.on("close", () => this.#cut("closed without a close frame (1006)"));
    this.#sending = setInterval(() => this.#send(), MESSAGE_INTERVAL_MS);
    this.#silence = setTimeout(() => {
      this.#lose(`no echo for ${ANSWER_LIMIT_MS / 1_000} s`);
    }, ANSWER_LIMIT_MS);
    if (head.length > 0) this.#read(head);
    return this.#over.promise;
  }

  #send(): void {
    if (this.#load.isEnding) return this.#close();
    const number = this.#answered + this.#unanswered.length + 1;
    this.#unanswered.push(this.#load.clock.nowMs());
    this.#opened.socket.write(encodeFrame(OPCODE.text, Buffer.from(`${number}${PADDING}`), true));
  }

  /** We want no more; what was sent before must still come back. */
  #close(): void {
    clearInterval(this.#sending);
    this.#hasClosed = true;
    this.#opened.socket.write(encodeClose(CLOSE.normal, true));
  }

  #read(bytes: Buffer): void {
    const frames = this.#reader.push(bytes);
    if (frames === null) this.#lose("something that is no frame of ours");
    for (const frame of frames ?? []) {
      if (this.#isOver) return;
      if (frame.opcode === OPCODE.close) this.#readClose(frame);
      else this.#readEcho(frame);
    }
  }

  #readEcho({ payload }: Frame): void {
    const sentAtMs = this.#unanswered.shift();
    const expected = `${this.#opened.version}:${this.#answered + 1}${PADDING}`;
    if (sentAtMs === undefined || payload.toString() !== expected) {
      return this.#lose(`echo ${this.#answered + 1} is missing or wrong`);
    }
    this.#answered++;
    this.#load.ledger.done(KIND, sentAtMs);
    this.#silence?.refresh();
  }

  #readClose(frame: Frame): void {
    const code = closeCodeOf(frame);
    const { ledger } = this.#load;
    if (this.#hasClosed && code === CLOSE.normal) {
      const missing = this.#unanswered.length;
      return this.#finish(() => missing > 0 && ledger.lost(KIND, `${missing} messages were never echoed`));
    }
    if (code !== CLOSE.serviceRestart && code !== CLOSE.goingAway) {
      return this.#lose(`close frame with code ${code}`);
    }
    this.#finish(() => ledger.ended(KIND, this.#how(`close frame with code ${code}`)));
  }

  #cut(why: string): void {
    this.#finish(() => this.#load.ledger.cut(KIND, this.#how(why)));
  }

  #lose(why: string): void {
    this.#finish(() => this.#load.ledger.lost(KIND, why));
  }

  #how(why: string): Cut {
    const { version, localPort } = this.#opened;
    return { why, version, localPort };
  }

  /** The first end counts. Answers a close frame, and waits a while for the other side to end the connection. */
  #finish(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    tell();
    clearInterval(this.#sending);
    clearTimeout(this.#silence);
    const { socket } = this.#opened;
    if (!this.#hasClosed) socket.write(encodeClose(CLOSE.normal, true));
    socket.resume().end();
    socket.setTimeout(CLOSE_LIMIT_MS, () => socket.destroy());
    this.#over.resolve();
  }
}
