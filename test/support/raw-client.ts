/**
 * A client over a bare socket: sends exactly the bytes it is given and reads exactly what comes back.
 *
 * Understands answers just well enough to tell where one ends. Repairs nothing, retries nothing.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { valuesOf } from "./field-list.ts";
import { RawConnection } from "./raw-connection.ts";
import { DEFAULT_LIMIT_MS, withLimit } from "./wait.ts";

export interface ResponseHead {
  readonly httpVersion: string;
  readonly status: number;
  readonly reason: string;
  /** Names and values as they came, in their order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The first value of `name`, compared without case. */
  header(name: string): string | undefined;
  /** Every value of `name`. */
  headerAll(name: string): string[];
}

export interface RawResponse extends ResponseHead {
  readonly body: Buffer;
  readonly text: string;
  readonly framing: "none" | "length" | "chunked" | "close";
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** The 1xx answers before this one. */
  readonly interim: readonly { status: number; headers: RawResponse["headers"] }[];
  /** False only with `allowBroken`: the connection ended before the answer did. */
  readonly isComplete: boolean;
}

export interface ReadOptions {
  limitMs?: number;
  /** HEAD: no body follows, whatever the head says. */
  method?: string;
  /** Give back an answer that broke off instead of throwing. */
  allowBroken?: boolean;
}

export interface RawClientOptions {
  /** How long each wait may take that is given no limit of its own. */
  waitLimitMs?: number;
}

/** @param options `t`: close it when the test ends; without, it at least holds no process open. */
export async function openRaw(
  port: number,
  options: RawClientOptions & { t?: TestEnd; host?: string; localAddress?: string; limitMs?: number } = {},
): Promise<RawClient> {
  const { t, host = "127.0.0.1", localAddress, limitMs = DEFAULT_LIMIT_MS } = options;
  const socket = connect({
    port,
    host,
    allowHalfOpen: true,
    noDelay: true,
    ...(localAddress ? { localAddress } : {}),
  });
  socket.unref(); // whoever waits for it holds a timer
  await withLimit(once(socket, "connect"), limitMs, `a connection to ${host}:${port}`);
  const client = new RawClient(socket, options);
  if (t) onTestEnd(t, () => client.destroy());
  return client;
}

export class RawClient extends RawConnection {
  /** Everything ever received, also what was read already. */
  bytesReceived = 0;
  #unread: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #isDiscarding = false;
  protected readonly waitLimitMs: number;

  constructor(socket: Socket, options: RawClientOptions = {}) {
    super(socket);
    this.waitLimitMs = options.waitLimitMs ?? DEFAULT_LIMIT_MS;
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
  }

  protected onEnding(): void {
    this.#wake?.();
  }

  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  /** What has come and was not read yet. */
  get unread(): Buffer {
    return this.#unread;
  }

  /** Takes bytes as if they had come from the socket: those that whoever had it before has read. */
  receive(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    if (!this.#isDiscarding) {
      this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    }
    this.#wake?.();
  }

  /** From now on only counts what comes (`bytesReceived`): for streams too long to be kept. */
  discard(): void {
    this.#isDiscarding = true;
    this.#unread = Buffer.alloc(0);
  }

  /**
   * Reads until a text or pattern has come, up to and including it, or until a predicate on all that is unread holds.
   *
   * @returns what was read, one character for each byte.
   * @throws Error when the connection ends or `limitMs` passes before.
   */
  async readUntil(
    pattern: string | RegExp | ((unread: string) => boolean),
    limitMs = this.waitLimitMs,
  ): Promise<string> {
    const look = (): number | undefined => matchEnd(this.#unread.toString("latin1"), pattern);
    const sought = typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern);
    const end = await this.#until(look, limitMs, `${sought} to arrive`);
    if (end === undefined) throw new Error(`the connection ended before ${sought}\n${this.describe()}`);
    return this.#take(end).toString("latin1");
  }

  /** Reads exactly so many bytes. Throws like `readUntil`. */
  async readBytes(length: number, limitMs = this.waitLimitMs): Promise<Buffer> {
    const look = (): number | undefined => (this.#unread.length >= length ? length : undefined);
    const end = await this.#until(look, limitMs, `${length} bytes to arrive`);
    if (end === undefined) throw new Error(`the connection ended before ${length} bytes\n${this.describe()}`);
    return this.#take(end);
  }

  /** Reads one head alone, of a 1xx answer too, and leaves what follows unread: for bodies that never end. */
  async readHead(limitMs = this.waitLimitMs): Promise<ResponseHead> {
    const head = parseHead(await this.readUntil("\r\n\r\n", limitMs));
    return {
      ...head,
      header: (name) => valuesOf(head.headers, name)[0],
      headerAll: (name) => valuesOf(head.headers, name),
    };
  }

  /** Reads until the connection ends. */
  async readToEnd(limitMs = this.waitLimitMs): Promise<Buffer> {
    await this.waitClosed(limitMs);
    return this.#take(this.#unread.length);
  }

  /** Reads one answer, with the 1xx before it. Leaves what follows unread, so that pipelined answers can be read in turn. */
  async readResponse(options: ReadOptions = {}): Promise<RawResponse> {
    const { limitMs = this.waitLimitMs, method = "GET", allowBroken = false } = options;
    const endMs = performance.now() + limitMs;
    const left = (): number => Math.max(1, endMs - performance.now());
    const interim: { status: number; headers: RawResponse["headers"] }[] = [];
    let head = parseHead(await this.readUntil("\r\n\r\n", left()));
    while (head.status >= 100 && head.status < 200 && head.status !== 101) {
      interim.push({ status: head.status, headers: head.headers });
      head = parseHead(await this.readUntil("\r\n\r\n", left()));
    }
    const framing = framingOf(head, method);
    const trailers: (readonly [string, string])[] = [];
    let isComplete = true;
    let body: Buffer = Buffer.alloc(0);
    if (framing === "length") {
      const length = Number(valuesOf(head.headers, "content-length")[0]);
      const look = (): number | undefined => (this.#unread.length >= length ? length : undefined);
      const end = await this.#until(look, left(), `a body of ${length} bytes`);
      isComplete = end !== undefined;
      body = this.#take(end ?? this.#unread.length);
    } else if (framing === "chunked") {
      let parsed = parseChunked(this.#unread);
      const look = (): number | undefined => {
        parsed = parseChunked(this.#unread);
        return parsed.end;
      };
      const end = await this.#until(look, left(), "the last chunk");
      isComplete = end !== undefined;
      body = parsed.body;
      trailers.push(...parsed.trailers);
      this.#take(end ?? this.#unread.length);
    } else if (framing === "close") {
      isComplete = (await this.waitClosed(left())) === "end";
      body = this.#take(this.#unread.length);
    }
    if (!isComplete && !allowBroken) {
      throw new Error(
        `the answer ${head.status} broke off after ${body.length} bytes of its body (${this.ending})`,
      );
    }
    return {
      ...head,
      header: (name) => valuesOf(head.headers, name)[0],
      headerAll: (name) => valuesOf(head.headers, name),
      body,
      text: body.toString(),
      framing,
      trailers,
      interim,
      isComplete,
    };
  }

  /** Undefined when the connection ended first. */
  async #until(look: () => number | undefined, limitMs: number, what: string): Promise<number | undefined> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const found = look();
      if (found !== undefined || this.ending !== undefined) return found;
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await withLimit(more, Math.max(1, endMs - performance.now()), what, () => this.describe());
    }
  }

  #take(length: number): Buffer {
    const taken = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return taken;
  }

  protected describe(): string {
    const state = this.ending ? `ended (${this.ending})` : "open";
    return `connection ${state}, unread: ${JSON.stringify(this.#unread.toString("latin1").slice(0, 1_000))}`;
  }
}

interface Head {
  readonly httpVersion: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: (readonly [string, string])[];
}

function parseHead(text: string): Head {
  const [statusLine = "", ...lines] = text.slice(0, -4).split("\r\n");
  const match = /^HTTP\/(\d\.\d) (\d{3}) ?(.*)$/.exec(statusLine);
  if (!match) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  return {
    httpVersion: match[1] ?? "",
    status: Number(match[2]),
    reason: match[3] ?? "",
    headers: lines.map(parseField),
  };
}

function parseField(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  if (colon < 1) throw new Error(`not a header field: ${JSON.stringify(line)}`);
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** RFC 9112 §6.3, for an answer. */
function framingOf(head: Head, method: string): RawResponse["framing"] {
  if (method === "HEAD" || head.status === 204 || head.status === 304 || head.status === 101) return "none";
  const coding = valuesOf(head.headers, "transfer-encoding").join(",").toLowerCase();
  if (/(^|[, ])chunked *$/.test(coding)) return "chunked";
  return valuesOf(head.headers, "content-length").length > 0 && coding === "" ? "length" : "close";
}

/** `end` is undefined until the last chunk and its trailers are there. */
function parseChunked(bytes: Buffer): {
  body: Buffer;
  trailers: (readonly [string, string])[];
  end?: number;
} {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const broken = { body: Buffer.concat(chunks), trailers: [] };
    if (lineEnd < 0) return broken;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9A-Fa-f]+ *(;.*)?$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) {
      const last = bytes.toString("latin1", at);
      if (last.startsWith("\r\n")) return { ...broken, end: at + 2 };
      const trailersEnd = last.indexOf("\r\n\r\n");
      if (trailersEnd < 0) return broken;
      const trailers = last.slice(0, trailersEnd).split("\r\n").map(parseField);
      return { body: Buffer.concat(chunks), trailers, end: at + trailersEnd + 4 };
    }
    chunks.push(bytes.subarray(at, at + size));
    if (bytes.length < at + size + 2) return { body: Buffer.concat(chunks), trailers: [] };
    if (bytes.toString("latin1", at + size, at + size + 2) !== "\r\n")
      throw new Error("a chunk does not end with CRLF");
    at += size + 2;
  }
}

/** Where a match ends in `text`; undefined when there is none. */
function matchEnd(text: string, pattern: string | RegExp | ((text: string) => boolean)): number | undefined {
  if (typeof pattern === "function") return pattern(text) ? text.length : undefined;
  if (typeof pattern === "string") {
    const at = text.indexOf(pattern);
    return at < 0 ? undefined : at + pattern.length;
  }
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).exec(text);
  return match ? match.index + match[0].length : undefined;
}
