/**
 * Kept-alive clients that note which version answered each request, and judge what they saw of the switches they are
 * told of: `switch-clients-child.js PORT COUNT`.
 *
 * Each sends its next request as soon as it has its answer, or at a pace: then a late answer does not delay what is
 * counted, since latency is taken from when the request was due.
 */
import { connect, type Socket } from "node:net";
import { endWithParent, tellParent } from "./child.ts";
import { judge, type ToSwitchClients } from "./judgement.ts";
import type { SeenRequest } from "./seen-requests.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: load.test\r\n\r\n";
const HEAD = /^HTTP\/1\.1 (\d{3}) .*?\r\ncontent-length: (\d+)(?:\r\n.*?)?\r\n\r\n/is;
const TICK_MS = 1;

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
let requests: SeenRequest[] = [];
/** Between two requests of one client; 0: none. */
let paceMs = 0;
let isRunning = false;
let isEnoughAt = Number.POSITIVE_INFINITY;
let sinceMs = 0;
let ended = 0;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

class Client {
  readonly #number: number;
  readonly #socket: Socket;
  #text = "";
  #isBusy = false;
  #sentMs = 0;
  #dueMs = 0;
  /** What it sends next was due while it still waited for the answer before. */
  #isLate = false;
  #broken: string | null = null;

  constructor(number: number) {
    this.#number = number;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1").on("data", (text: string) => this.#read(text));
    this.#socket.on("error", (error) => {
      this.#broken = error.message;
    });
    this.#socket.on("close", () => this.#fail());
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  begin(firstDueMs: number): void {
    this.#dueMs = firstDueMs;
    this.#isLate = false;
    if (paceMs === 0) this.#send();
  }

  /** At a pace: sends when the time has come and the answer before is there. */
  tick(atMs: number): void {
    if (atMs >= this.#dueMs && !this.#isBusy && this.#broken === null) this.#send();
  }

  #send(): void {
    this.#isBusy = true;
    this.#sentMs = nowMs();
    this.#socket.write(REQUEST);
  }

  #read(text: string): void {
    this.#text += text;
    const head = HEAD.exec(this.#text);
    if (head === null || this.#text.length < head[0].length + Number(head[2])) return;
    const [isAnswered, body] = [head[1] === "200", this.#text.slice(head[0].length)];
    this.#text = "";
    this.#note(isAnswered, isAnswered ? body : `${head[1]} ${body}`);
    if (!isRunning) return;
    if (paceMs === 0) this.#send();
    else this.tick(nowMs());
  }

  #fail(): void {
    this.#broken ??= "closed";
    this.#note(false, this.#broken);
  }

  #note(isAnswered: boolean, saw: string): void {
    this.#isBusy = false;
    const endedMs = nowMs();
    const sinceDueMs = this.#isLate ? this.#dueMs : this.#sentMs; // a tick that was late is not the daemon's
    const latencyMs = endedMs - sinceDueMs;
    this.#dueMs += paceMs;
    this.#isLate = paceMs > 0 && this.#dueMs < endedMs;
    requests.push({ client: this.#number, sentMs: this.#sentMs, endedMs, latencyMs, saw, isAnswered });
    if (this.#sentMs < sinceMs) return;
    ended++;
    if (ended === isEnoughAt) tellParent({});
  }
}

const clients = Array.from({ length: count }, (_none, number) => new Client(number));
setInterval(() => {
  if (!isRunning || paceMs === 0) return;
  const atMs = nowMs();
  for (const client of clients) client.tick(atMs);
}, TICK_MS);

function obey(message: ToSwitchClients): void {
  switch (message.do) {
    case "begin": {
      ({ paceMs } = message);
      requests = [];
      isRunning = true;
      const atMs = nowMs();
      for (const [i, client] of clients.entries()) client.begin(atMs + (paceMs * i) / count);
      return tellParent({});
    }
    case "more":
      sinceMs = nowMs();
      ended = 0;
      isEnoughAt = message.count;
      return;
    case "stop": {
      isRunning = false;
      const wait = setInterval(() => {
        if (clients.some((client) => client.isBusy)) return;
        clearInterval(wait);
        tellParent({});
      }, TICK_MS);
      return;
    }
    case "judge":
      return tellParent(judge(requests, message));
  }
}

endWithParent();
process.on("message", obey);
tellParent({});
