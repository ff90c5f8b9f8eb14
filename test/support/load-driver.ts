/**
 * Load: clients in the test's own process that send one request after another, over a kept-alive connection or
 * a new one each time, and remember when each began and what came of it.
 */
import { Agent, request as openRequest } from "node:http";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { waitUntil, withLimit } from "./wait.ts";

export interface LoadResult {
  /** performance.now() just before the request was made, and after its answer had ended. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** 0: there was no whole answer; see `error`. */
  readonly status: number;
  readonly body: string;
  readonly error: string;
  readonly isKeptAlive: boolean;
}

const REQUEST_LIMIT_MS = 20_000;

/** Starts at once; ends with the test. */
export function startLoad(
  t: TestEnd,
  port: number,
  clients: { keptAlive: number; short: number; path?: string },
): Load {
  const load = new Load(port, clients.path ?? "/");
  for (let n = 0; n < clients.keptAlive; n++) load.add(true);
  for (let n = 0; n < clients.short; n++) load.add(false);
  onTestEnd(t, () => load.stop());
  return load;
}

export class Load {
  readonly results: LoadResult[] = [];
  readonly #port: number;
  readonly #path: string;
  readonly #clients: Promise<void>[] = [];
  #isStopping = false;

  constructor(port: number, path: string) {
    this.#port = port;
    this.#path = path;
  }

  add(isKeptAlive: boolean): void {
    this.#clients.push(this.#run(isKeptAlive));
  }

  /** Resolves when `count` more requests have begun from now on and ended. */
  async more(count: number, limitMs = 30_000): Promise<void> {
    const from = performance.now();
    const enough = (): boolean => this.since(from).length >= count;
    await waitUntil(`${count} more requests have ended`, enough, { limitMs, intervalMs: 2 });
  }

  /** Those that began after `atMs` (performance.now()) and have ended. */
  since(atMs: number): LoadResult[] {
    const results: LoadResult[] = [];
    // The newest are at the end; one that began before may still end after others.
    for (let i = this.results.length - 1; i >= 0; i--) {
      const result = this.results[i];
      if (result === undefined || result.endedAtMs < atMs) break;
      if (result.startedAtMs > atMs) results.push(result);
    }
    return results;
  }

  /** Those that were not answered 200. */
  failures(): LoadResult[] {
    return this.results.filter(({ status }) => status !== 200);
  }

  /** Lets the requests that run end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await withLimit(Promise.all(this.#clients), REQUEST_LIMIT_MS + 5_000, "the load to end");
  }

  async #run(isKeptAlive: boolean): Promise<void> {
    const agent = isKeptAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    while (!this.#isStopping) this.results.push(await this.#once(agent));
    if (agent) agent.destroy();
  }

  #once(agent: Agent | false): Promise<LoadResult> {
    const startedAtMs = performance.now();
    return new Promise((resolve) => {
      const settle = (status: number, body: string, error: string): void =>
        resolve({ startedAtMs, endedAtMs: performance.now(), status, body, error, isKeptAlive: !!agent });
      const outgoing = openRequest({
        host: "127.0.0.1",
        port: this.#port,
        path: this.#path,
        agent,
        timeout: REQUEST_LIMIT_MS,
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
      outgoing.on("error", (error) => settle(0, "", error.message));
      outgoing.on("response", (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        response.on("end", () => settle(response.statusCode ?? 0, body, ""));
        response.on("error", (error) => settle(0, body, error.message));
      });
      outgoing.end();
    });
  }
}
