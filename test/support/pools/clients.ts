/**
 * Clients of a pool: kept-alive connections that ask one thing after another and note what came of each, in real
 * sockets. Every answer is checked: the status, that the body is whole, and which backend it names.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { onTestEnd, type TestEnd } from "../cleanup.ts";
import { waitUntil, withLimit } from "../wait.ts";

/** One request and what became of it; the times are those of performance.now(). */
export interface Seen {
  /** The connection's number. */
  readonly client: number;
  readonly method: "GET" | "POST";
  readonly sentMs: number;
  readonly endedMs: number;
  /** 0: there was no answer. */
  readonly status: number;
  /** Which backend answered; empty: none did. */
  readonly backend: string;
  /** null: 200, with the body it should have. */
  readonly fault: string | null;
}

export interface ClientsOptions {
  readonly port: number;
  readonly connections: number;
  /** From the beginning of one request of a connection to the next; 0: as soon as it is answered. */
  readonly paceMs?: number;
  /** Every second request is a POST with a body. */
  readonly isMixed?: boolean;
}

/** Longer than any time limit of the daemon in these tests. */
const ANSWER_LIMIT_MS = 15_000;
const BODY_BYTES = [1, 700, 20_000, 100_000];
const HEAD = /^HTTP\/1\.1 (\d{3}) .*?\r\ncontent-length: (\d+)\r\n(?:.*?\r\n)?\r\n/is;
const ANSWER = /^(\S+) (\d+)$/;
const CODE = /"code":"([A-Z_]+)"/;

/** Starts at once; ends with the test. */
export function startClients(t: TestEnd, options: ClientsOptions): PoolClients {
  const clients = new PoolClients(options);
  onTestEnd(t, () => clients.stop());
  return clients;
}

export class PoolClients {
  /** In the order in which they ended. */
  readonly seen: Seen[] = [];
  readonly #running: Promise<unknown>;
  #isStopping = false;

  constructor(options: ClientsOptions) {
    const numbers = Array.from({ length: options.connections }, (_none, number) => number);
    this.#running = Promise.all(numbers.map((number) => this.#run(number, options)));
  }

  /** Those that were sent after `atMs`. */
  since(atMs: number): Seen[] {
    return this.seen.filter(({ sentMs }) => sentMs >= atMs);
  }

  get faults(): Seen[] {
    return this.seen.filter(({ fault }) => fault !== null);
  }

  /** Resolves when so many more have been sent from now on and have ended. */
  async more(count: number, limitMs = 30_000): Promise<void> {
    const [sinceMs, from] = [performance.now(), this.seen.length];
    const enough = (): boolean =>
      this.seen.length - from >= count &&
      this.seen.slice(from).filter(({ sentMs }) => sentMs >= sinceMs).length >= count;
    await waitUntil(`${count} more requests have ended`, enough, { limitMs, intervalMs: 5 });
  }

  /** Lets the requests that run end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await withLimit(this.#running, ANSWER_LIMIT_MS + 5_000, "the clients to end");
  }

  async #run(
    number: number,
    { port, paceMs = 0, isMixed = false, connections }: ClientsOptions,
  ): Promise<void> {
    const client = new Client(port);
    if (paceMs > 0) await delay((paceMs * number) / connections);
    for (let n = number; !this.#isStopping; n++) {
      const bodyBytes = isMixed && n % 2 === 1 ? (BODY_BYTES[(n >> 1) % BODY_BYTES.length] ?? 0) : 0;
      const sentMs = performance.now();
      const answer = await client.ask(bodyBytes);
      const endedMs = performance.now();
      const method = bodyBytes > 0 ? "POST" : "GET";
      this.seen.push({ client: number, method, sentMs, endedMs, ...answer });
      if (paceMs > 0) await delay(Math.max(0, sentMs + paceMs - performance.now()));
    }
    client.close();
  }
}

type Answer = Pick<Seen, "status" | "backend" | "fault">;

/** One connection at a time; a new one when the last was closed. */
export class Client {
  readonly #port: number;
  #socket: Socket | null = null;
  #text = "";
  #wake = (): void => {};

  constructor(port: number) {
    this.#port = port;
  }

  /** @param bodyBytes 0: a GET. */
  async ask(bodyBytes = 0): Promise<Answer> {
    try {
      const socket = this.#socket ?? (await this.#open());
      const head = bodyBytes === 0 ? "GET / HTTP/1.1" : "POST / HTTP/1.1";
      const length = bodyBytes === 0 ? "" : `Content-Length: ${bodyBytes}\r\n`;
      socket.write(`${head}\r\nHost: pool.test\r\n${length}\r\n${"x".repeat(bodyBytes)}`);
      return judge(await this.#answer(socket), bodyBytes);
    } catch (error) {
      this.close();
      return { status: 0, backend: "", fault: (error as Error).message };
    }
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  async #open(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    await withLimit(once(socket, "connect"), ANSWER_LIMIT_MS, "the proxy to take a connection");
    this.#socket = socket;
    this.#text = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.#text += text;
      this.#wake();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = null;
      this.#wake();
    });
    return socket;
  }

  async #answer(socket: Socket): Promise<{ status: number; body: string }> {
    const whole = this.#whole(socket);
    return await withLimit(whole, ANSWER_LIMIT_MS, "an answer");
  }

  async #whole(socket: Socket): Promise<{ status: number; body: string }> {
    for (;;) {
      const head = HEAD.exec(this.#text);
      if (head !== null && this.#text.length >= head[0].length + Number(head[2])) {
        const body = this.#text.slice(head[0].length);
        this.#text = "";
        if (/\r\nconnection: close\r\n/i.test(head[0])) this.close();
        return { status: Number(head[1]), body };
      }
      if (socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.#text.slice(0, 200))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function judge({ status, body }: { status: number; body: string }, bodyBytes: number): Answer {
  const [, backend = "", bytes] = ANSWER.exec(body) ?? [];
  if (status !== 200) return { status, backend, fault: `${status} ${CODE.exec(body)?.[1] ?? body}` };
  const isRight = backend !== "" && Number(bytes) === bodyBytes;
  return { status, backend, fault: isRight ? null : `sent ${bodyBytes} bytes, and was answered ${body}` };
}
