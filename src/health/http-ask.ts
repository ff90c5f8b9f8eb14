/**
 * HTTP ask: a small request to a backend on a connection of its own, opened for it and closed with its answer.
 *
 * For the primary, which carries no traffic: node:http will do, and no slot of a pool is taken. What the backend sees
 * is what a worker's ask sends (same fields, same TLS name and verification), so both judge the same.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { causeText } from "../core/cause-text.ts";
import { askFields } from "./ask-fields.ts";
import type { AnswerFields } from "./judge.ts";
import { openSocket } from "./open-socket.ts";
import type { Ask, AskHandler, AskRequest } from "./probe.ts";

export interface AskTarget {
  /** `http://host:port` or `https://host:port`: what `Host` and TLS go by. */
  readonly origin: string;
  /** IP addresses to connect to, tried one after the other; empty: the name is looked up. */
  readonly addresses: readonly string[];
}

export interface AskLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
}

/** Sets no time limit: who asks gives it up. */
export function httpAsk({ origin, addresses }: AskTarget, limits: AskLimits): Ask {
  const url = new URL(origin);
  return (asked, handler) => new HttpAsk(url, addresses, limits, asked, handler).giveUp;
}

class HttpAsk {
  readonly #origin: URL;
  readonly #limits: AskLimits;
  readonly #asked: AskRequest;
  readonly #handler: AskHandler;
  readonly #socket: Socket;
  /** What is being done before it is sent, where that is no longer connecting. */
  #stage = "";
  #isSent = false;
  #isOver = false;

  constructor(
    origin: URL,
    addresses: readonly string[],
    limits: AskLimits,
    asked: AskRequest,
    handler: AskHandler,
  ) {
    this.#origin = origin;
    this.#limits = limits;
    this.#asked = asked;
    this.#handler = handler;
    this.#socket = openSocket(origin, addresses, () => this.#send());
    this.#socket
      .once("connect", () => {
        this.#stage = "TLS: "; // without TLS it is sent by now
      })
      .on("error", (error) => this.#onSocketError(error)) // as long as it lives: one unheard ends the process
      .once("close", () => this.#onSocketClose());
  }

  readonly giveUp = (): void => {
    this.#isOver = true;
    this.#socket.destroy();
  };

  /** Only now that the backend is proved to be who it is: the fields may hold secrets. */
  #send(): void {
    if (this.#isOver) return;
    this.#isSent = true;
    this.#handler.onSent();
    try {
      this.#request().end();
    } catch (error) {
      this.#fail(`cannot be sent: ${describe(error)}`); // something that node:http refuses
    }
  }

  #request(): ClientRequest {
    const { method, path } = this.#asked;
    const { maxHeaderBytes, maxHeaderCount } = this.#limits;
    const request = process.getBuiltinModule("node:http").request({
      method,
      path,
      headers: this.#fields(),
      createConnection: () => this.#socket, // and so no agent
      maxHeaderSize: maxHeaderBytes,
      insecureHTTPParser: false, // whatever NODE_OPTIONS says
    });
    request.useChunkedEncodingByDefault = false; // there is no body, whatever the method
    request.maxHeadersCount = maxHeaderCount + 1; // what is above is cut off, so one more shows that there is more
    return request
      .once("response", (answer) => this.#onAnswer(answer))
      .once("upgrade", () => this.#failInvalid("101 was not asked for"))
      .on("error", (error) => this.#onRequestError(error));
  }

  #fields(): Record<string, string> {
    const fields = askFields(this.#origin.host, this.#asked);
    return Object.fromEntries([
      ...fields.map(({ name, value }) => [name, value] as const),
      ["Connection", "close"] as const,
    ]);
  }

  #onAnswer(answer: IncomingMessage): void {
    if (this.#isOver) return;
    const fields = new RawFields(answer.rawHeaders);
    const { maxHeaderCount } = this.#limits;
    if (fields.count > maxHeaderCount) return this.#failInvalid(`more than ${maxHeaderCount} header fields`);
    answer
      .on("data", (piece: Buffer) => {
        if (!this.#isOver) this.#handler.onPiece(piece);
      })
      .once("end", () => this.#end())
      .on("error", () => this.#failClosed());
    this.#handler.onHead(answer.statusCode ?? 0, fields);
  }

  #onRequestError(error: NodeJS.ErrnoException): void {
    if (error.code === "HPE_HEADER_OVERFLOW")
      return this.#failInvalid(`more than ${this.#limits.maxHeaderBytes} bytes of header fields`);
    if (error.code?.startsWith("HPE_")) return this.#failInvalid(error.message);
    this.#failClosed();
  }

  #onSocketError(error: Error): void {
    if (this.#isSent) return this.#failClosed(`: ${describe(error)}`);
    this.#failConnect(describe(error));
  }

  /** Once it is sent, node:http says what an end of the connection means: for an answer without length, its end. */
  #onSocketClose(): void {
    if (!this.#isSent) this.#failConnect("it was closed at once");
  }

  #failConnect(why: string): void {
    this.#fail(`cannot connect to ${this.#origin.origin}: ${this.#stage}${why}`);
  }

  #end(): void {
    if (this.#isOver) return;
    this.giveUp(); // its connection is closed, whatever the backend would do
    this.#handler.onEnd();
  }

  #failClosed(why = ""): void {
    this.#fail(`${this.#origin.origin} closed the connection${why}`);
  }

  #failInvalid(what: string): void {
    this.#fail(`the answer of ${this.#origin.origin} is not valid HTTP: ${what}`);
  }

  #fail(message: string): void {
    if (this.#isOver) return;
    this.giveUp();
    this.#handler.onFailed(message);
  }
}

/** node:http keeps an answer's fields as they came, one character for each byte: name, value, name, value. */
class RawFields implements AnswerFields {
  readonly #raw: readonly string[];

  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  get count(): number {
    return this.#raw.length / 2;
  }

  name(i: number): string {
    return this.#raw[2 * i] ?? "";
  }

  value(i: number): string {
    return this.#raw[2 * i + 1] ?? "";
  }
}

function describe(error: unknown): string {
  // An AggregateError of several addresses that were tried has no text of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error && first.message !== "" ? causeText(first) : "the connection failed";
}
