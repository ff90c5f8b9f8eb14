/**
 * llhttp as Node.js has it built in, with its strict defaults: what is said by it is what a node:http server or client
 * would go by. Not a public interface of Node.js, so for tests alone.
 *
 * `process.binding("http_parser")` is no longer there on Node.js 24; `require("_http_common")` is, without a warning.
 */
import { createRequire } from "node:module";
import { LIMITS } from "./limits.ts";

type Returned = number | (Error & { code?: string; reason?: string; bytesParsed?: number });

interface Parser {
  initialize(type: number, resource: object, maxHeaderBytes: number, lenientFlags: number): void;
  execute(bytes: Buffer): Returned;
  finish(): Returned | undefined;
  [callback: number]: (...args: never[]) => unknown;
}

interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

const { HTTPParser, methods } = createRequire(import.meta.url)("_http_common") as {
  HTTPParser: ParserClass;
  methods: readonly string[];
};

/** By its own numbers. */
const methodNames = new Map<number, string>();
for (const name of methods) {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 0, HTTPParser.kLenientNone);
  parser[HTTPParser.kOnHeadersComplete] = (...head: HeadArguments) =>
    void methodNames.set(Number(head[3]), name);
  parser.execute(Buffer.from(`${name} / HTTP/1.1\r\n\r\n`));
}

/** The methods that it knows in HTTP/1.1; it refuses all others. */
export const METHODS: ReadonlySet<string> = new Set(methodNames.values());
export const VERSION = process.versions.llhttp ?? "unknown";

export interface Seen {
  readonly method: string | null;
  readonly target: string | null;
  readonly status: number | null;
  readonly reason: string | null;
  readonly minorVersion: number;
  readonly fields: readonly string[];
  readonly isUpgrade: boolean;
  body: string;
  trailers: string[];
  isWhole: boolean;
}

/** From the kOnHeadersComplete callback: no body follows, whatever the head says. */
const SKIP_BODY = 1;

export class Llhttp {
  seen: Seen[] = [];
  /** Of the next messages: none has a body, as the answer to HEAD. */
  isBodiless = false;
  readonly #type: number;
  readonly #parser = new HTTPParser();
  #fields: string[] = [];
  #target = "";

  constructor(kind: "requests" | "answers") {
    this.#type = kind === "requests" ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
    const parser = this.#parser;
    parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => this.#onFields(fields, target);
    parser[HTTPParser.kOnHeadersComplete] = (...args: HeadArguments) => this.#onHead(...args);
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => this.#onBody(bytes);
    parser[HTTPParser.kOnMessageComplete] = () => this.#onEnd();
  }

  /** For a new connection. */
  begin(): void {
    this.seen = [];
    this.isBodiless = false;
    this.#fields = [];
    this.#target = "";
    this.#parser.initialize(this.#type, {}, 2 * LIMITS.maxHeaderBytes, HTTPParser.kLenientNone);
  }

  /** @returns what is wrong; null when nothing is. */
  feed(text: string): string | null {
    if (text === "") return null; // would mean the end
    const result = this.#parser.execute(Buffer.from(text, "latin1"));
    if (result === text.length) return null;
    if (typeof result === "number") return `stopped at ${result} of ${text.length}`; // another protocol
    return `${result.code} at ${result.bytesParsed}: ${result.reason}`;
  }

  /** The peer has ended its side. @returns what is wrong; null when nothing is. */
  end(): string | null {
    const result = this.#parser.finish();
    return result instanceof Error ? `${result.code} at the end` : null;
  }

  get last(): Seen | undefined {
    return this.seen.at(-1);
  }

  /** More than 32 come in several calls, and so do trailers. */
  #onFields(fields: string[], target: string): void {
    const { last } = this;
    if (last !== undefined && !last.isWhole) last.trailers.push(...fields);
    else {
      this.#fields.push(...fields);
      this.#target += target;
    }
  }

  #onHead(...[, minorVersion, fields, method, target, status, reason, isUpgrade]: HeadArguments): number {
    this.seen.push({
      method: methodNames.get(method ?? -1) ?? null,
      target: target ?? this.#target,
      status: status ?? null,
      reason: reason ?? null,
      minorVersion,
      fields: fields ?? this.#fields,
      isUpgrade,
      body: "",
      trailers: [],
      isWhole: false,
    });
    this.#fields = [];
    this.#target = "";
    return this.isBodiless ? SKIP_BODY : 0;
  }

  #onBody(bytes: Buffer): void {
    if (this.last !== undefined) this.last.body += bytes.toString("latin1");
  }

  #onEnd(): void {
    if (this.last !== undefined) this.last.isWhole = true;
  }
}

type HeadArguments = [
  majorVersion: number,
  minorVersion: number,
  fields: string[] | null | undefined,
  method: number | null | undefined,
  target: string | null | undefined,
  status: number | null | undefined,
  reason: string | null | undefined,
  isUpgrade: boolean,
  isPersistent: boolean,
];
