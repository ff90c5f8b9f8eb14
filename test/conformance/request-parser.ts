/**
 * A strict reader of the requests on one connection: RFC 9112 without any of its leniency. Pure, knows no socket.
 *
 * What it does not accept is a violation, and it reads nothing after one: whatever a proxy sends that two
 * parsers could read differently is found here. Bytes after a request are the next request, never its tail.
 */

import { valuesOf } from "../support/field-list.ts";

export type Field = readonly [name: string, value: string];

export type RequestFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" };

export interface RequestHead {
  /** One character for each byte, with the empty line that ends it. */
  readonly head: string;
  readonly requestLine: string;
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** In their order and with their case; values without the whitespace around them. */
  readonly fields: readonly Field[];
  readonly framing: RequestFraming;
  /** CONNECT, or a named `Upgrade`: the answer decides what the bytes after it are. */
  readonly asksForTunnel: boolean;
}

/** Called in the order of the bytes: `head`, any `body`, `end`, and again; `violation` once, and nothing after it. */
export interface ParserEvents {
  head(head: RequestHead): void;
  /** A piece of the decoded body. */
  body(bytes: Buffer): void;
  end(trailers: readonly Field[]): void;
  violation(what: string): void;
}

/** Far more than any case sends; an endless head must end. */
const MAX_HEAD_BYTES = 4 * 2 ** 20;
const MAX_CHUNK_LINE_BYTES = 64 * 1024;

type State = "head" | "length" | "chunk-size" | "chunk-data" | "chunk-end" | "trailers" | "held" | "broken";

export class RequestParser {
  readonly #events: ParserEvents;
  #state: State = "head";
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of the body or of the chunk that are still to come. */
  #missing = 0;
  /** Whether to hold what follows the request that is being read. */
  #holdsNext = false;

  constructor(events: ParserEvents) {
    this.#events = events;
  }

  /** Bytes that came and are no whole message part yet; while held, all that came since. */
  get pending(): Buffer {
    return this.#pending;
  }

  /** In the middle of a request: its head has come, its end has not. */
  get isInsideBody(): boolean {
    return !["head", "held", "broken"].includes(this.#state);
  }

  push(bytes: Buffer): void {
    if (this.#state === "broken") return;
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#read();
  }

  /** The answer to a request that asked for a tunnel was no tunnel: what follows is the next request. */
  release(): void {
    this.#holdsNext = false;
    if (this.#state !== "held") return;
    this.#state = "head";
    this.#read();
  }

  #read(): void {
    try {
      while (this.#step());
    } catch (error) {
      this.#state = "broken";
      this.#events.violation(error instanceof Error ? error.message : String(error));
    }
  }

  /** @returns whether another step may be possible. */
  #step(): boolean {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "length":
        return this.#readData(() => this.#endMessage([]));
      case "chunk-size":
        return this.#readChunkSize();
      case "chunk-data":
        return this.#readData(() => {
          this.#state = "chunk-end";
        });
      case "chunk-end":
        return this.#readChunkEnd();
      case "trailers":
        return this.#readTrailers();
      default:
        return false;
    }
  }

  #readHead(): boolean {
    if (this.#pending.length === 0) return false;
    const end = this.#pending.indexOf("\r\n\r\n");
    if (this.#pending.indexOf("\r\n") === 0) throw new Error("an empty line before a request line");
    if (end < 0) {
      if (this.#pending.length > MAX_HEAD_BYTES) throw new Error(`a head of over ${MAX_HEAD_BYTES} bytes`);
      return false;
    }
    const head = parseRequestHead(this.#take(end + 4).toString("latin1"));
    this.#holdsNext = head.asksForTunnel;
    this.#events.head(head);
    const { framing } = head;
    if (framing.kind === "chunked") this.#state = "chunk-size";
    else if (framing.kind === "none" || framing.length === 0) this.#endMessage([]);
    else {
      this.#state = "length";
      this.#missing = framing.length;
    }
    return true;
  }

  #readData(done: () => void): boolean {
    if (this.#pending.length === 0) return false;
    const bytes = this.#take(Math.min(this.#missing, this.#pending.length));
    this.#missing -= bytes.length;
    this.#events.body(bytes);
    if (this.#missing === 0) done();
    return true;
  }

  #readChunkSize(): boolean {
    const line = this.#takeLine(MAX_CHUNK_LINE_BYTES);
    if (line === undefined) return false;
    this.#missing = parseChunkSize(line);
    this.#state = this.#missing === 0 ? "trailers" : "chunk-data";
    return true;
  }

  #readChunkEnd(): boolean {
    if (this.#pending.length < 2) return false;
    if (this.#take(2).toString("latin1") !== "\r\n") throw new Error("a chunk does not end with CRLF");
    this.#state = "chunk-size";
    return true;
  }

  #readTrailers(): boolean {
    if (this.#pending.length < 2) return false;
    if (this.#pending.indexOf("\r\n") === 0) {
      this.#take(2);
      this.#endMessage([]);
      return true;
    }
    const end = this.#pending.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const lines = this.#take(end + 4)
      .toString("latin1", 0, end)
      .split("\r\n");
    this.#endMessage(lines.map(parseField));
    return true;
  }

  #endMessage(trailers: readonly Field[]): void {
    this.#state = this.#holdsNext ? "held" : "head";
    this.#events.end(trailers);
  }

  #takeLine(maxBytes: number): string | undefined {
    const end = this.#pending.indexOf("\n");
    if (end < 0 && this.#pending.length > maxBytes) throw new Error(`a line of over ${maxBytes} bytes`);
    if (end < 0) return undefined;
    const line = this.#take(end + 1).toString("latin1");
    if (!line.endsWith("\r\n")) throw new Error(`a line ends with a bare LF: ${quote(line)}`);
    return line.slice(0, -2);
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return taken;
  }
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ \t]+) HTTP\/(1\.[01])$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,13})[ \t]*(;.*)?$/;

/** A bare CR, LF or NUL among them; an obs-text byte may stand in a value. */
function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/** @throws Error when the line does not have the form, or holds a control character other than a tab. */
function match(line: string, form: RegExp, what: string): RegExpExecArray {
  const found = hasControlCharacter(line) ? null : form.exec(line);
  if (!found) throw new Error(`not a ${what}: ${quote(line)}`);
  return found;
}

/** @throws Error that says what is wrong with it. */
export function parseRequestHead(head: string): RequestHead {
  const [requestLine = "", ...lines] = head.slice(0, -4).split("\r\n");
  const [, method = "", target = "", version] = match(requestLine, REQUEST_LINE, "request line");
  const fields = lines.map(parseField);
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1) throw new Error(`${hosts.length} Host fields in ${quote(head)}`);
  if (hosts.length === 0 && version === "1.1") throw new Error(`no Host in ${quote(head)}`);
  const isUpgrade =
    valuesOf(fields, "upgrade").length > 0 &&
    /(^|[ ,\t])upgrade([ ,\t]|$)/i.test(listOf(fields, "connection"));
  return {
    head,
    requestLine,
    method,
    target,
    version: version === "1.0" ? "1.0" : "1.1",
    fields,
    framing: framingOf(fields, version === "1.0"),
    asksForTunnel: isUpgrade || method === "CONNECT",
  };
}

function listOf(fields: readonly Field[], name: string): string {
  return valuesOf(fields, name).join(",");
}

/** RFC 9112 §6.3; both kinds at once, or either one twice, is refused. */
function framingOf(fields: readonly Field[], isOld: boolean): RequestFraming {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) {
    throw new Error(`more than one framing: ${quote(fields.map((field) => field.join(": ")).join("\r\n"))}`);
  }
  const [length] = lengths;
  const [coding] = codings;
  if (coding !== undefined) {
    if (isOld) throw new Error("Transfer-Encoding in HTTP/1.0");
    if (coding.toLowerCase() !== "chunked") throw new Error(`Transfer-Encoding: ${quote(coding)}`);
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "none" };
  if (!/^\d{1,15}$/.test(length)) throw new Error(`Content-Length: ${quote(length)}`);
  return { kind: "length", length: Number(length) };
}

function parseField(line: string): Field {
  const [, name = "", value = ""] = match(line, FIELD, "field");
  return [name, value];
}

function parseChunkSize(line: string): number {
  const [, size = ""] = match(line, CHUNK_LINE, "chunk size");
  return Number.parseInt(size, 16);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
