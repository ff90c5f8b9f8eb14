/**
 * A BackendConnection, as it is in a worker, over a transport in memory: it sends the next request as soon as it takes
 * one. What can be seen from outside is what it read.
 */
import { type AnswerHandler, BackendConnection } from "../../../src/data-plane/forward/backend-connection.ts";
import type { AnswerHead } from "../../../src/wire/answer-head.ts";
import { answerHeadOf } from "./answer-reader.ts";
import { LIMITS } from "./limits.ts";
import { MemoryTransport } from "./memory-transport.ts";
import { type Ending, linesToList, type Message, type Reading } from "./reading.ts";

const UNKNOWN = 0;

export class RealBackend implements Reading {
  readonly messages: Message[] = [];
  readonly used = UNKNOWN;
  readonly #transport = new MemoryTransport();
  readonly #connection: BackendConnection;
  readonly #methods: readonly string[];
  readonly #handler: AnswerHandler;
  #turn = 0;
  #isRefused = false;
  #isOver = false;

  constructor(methods: readonly string[]) {
    this.#methods = methods;
    this.#handler = {
      onInterim: (head) => {
        this.#begin(head).end = UNKNOWN;
      },
      onHead: (head) => void this.#begin(head),
      onPiece: (piece) => {
        const message = this.messages.at(-1);
        if (message !== undefined) message.body += piece.toString("latin1");
      },
      onAnswerEnd: (trailers) => this.#end(trailers),
      onReadDone: () => undefined,
      onBackendDrained: () => undefined,
      onUpgraded: (head) => {
        this.#begin(head).end = UNKNOWN;
      },
      onFailed: (code) => {
        this.#isRefused ||= code === "BACKEND_INVALID_ANSWER";
        // Broken off: as if nothing more came.
        this.#isOver = false;
      },
    };
    this.#connection = new BackendConnection(this.#transport, {
      limits: LIMITS,
      origin: "",
      onReleased: () => this.#ask(),
      onGone: () => {
        this.#isOver = true;
      },
    });
    this.#ask();
  }

  get ending(): Ending {
    if (this.#isRefused) return "refused";
    return this.#isOver ? "over" : "waiting";
  }

  feed(bytes: Buffer): void {
    if (!this.#isOver && !this.#transport.isDestroyed) this.#transport.deliver(bytes);
  }

  end(): void {
    if (!this.#isOver && !this.#transport.isDestroyed) this.#transport.deliverEnd();
  }

  get #method(): string {
    return this.#methods[this.#turn] ?? "GET";
  }

  #ask(): void {
    this.#connection.start(this.#handler, this.#method, "", true);
    this.#connection.endRequest(null);
  }

  #begin(head: AnswerHead): Message {
    const message: Message = {
      start: UNKNOWN,
      head: answerHeadOf(head, head.fields.text, this.#method),
      body: "",
      trailers: [],
      end: -1,
    };
    this.messages.push(message);
    return message;
  }

  #end(trailers: string): void {
    const message = this.messages.at(-1);
    if (message === undefined) return;
    message.trailers = linesToList(trailers);
    message.end = UNKNOWN;
    this.#turn++;
  }
}
