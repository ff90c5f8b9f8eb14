/** What is fuzzed: the daemon with short time limits, or anything else that forwards to a backend. */
import type { TestEnd } from "../support/cleanup.ts";
import type { JsonObject } from "../support/http-client.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";

export interface Target {
  readonly port: number;
  /** From the last byte that was sent; the proxy's own time limits are well below it. */
  readonly answerLimitMs: number;
}

export interface Subject extends Target {
  /** @returns what is wrong with the process itself: it crashed, or logged an error of its own. */
  faults(): Promise<string[]>;
}

export type StartSubject = (t: TestEnd, backendUrl: string) => Promise<Subject>;

const ANSWER_LIMIT_MS = 2_000;
/** Well below it. */
const SHORT_LIMITS = {
  server: { header_timeout: "300ms", body_idle_timeout: "300ms", keep_alive_timeout: "10s" },
  upstream: { response_timeout: "600ms", body_idle_timeout: "300ms" },
  admin: { on_traffic_port: false },
} as const satisfies JsonObject;

export const startDaemon: StartSubject = async (t, backendUrl) => {
  const proxy = await startProxy(t, { v1: backendUrl, v2: backendUrl, config: SHORT_LIMITS });
  const workers = (await proxy.workerPids()).join();
  let linesRead = 0;
  return {
    port: proxy.port,
    answerLimitMs: ANSWER_LIMIT_MS,
    faults: async () => {
      const faults = proxy
        .logs()
        .slice(linesRead)
        .filter(isError)
        .map((line) => `it logged ${JSON.stringify(line)}`);
      linesRead = proxy.logs().length;
      const now = await workersNow(proxy);
      return now === workers
        ? faults
        : [...faults, `its workers were ${workers} and are ${now}\n${proxy.output().slice(-4_000)}`];
    },
  };
};

function isError({ level, code }: JsonObject): boolean {
  return level === "error" || level === "fatal" || code === "INTERNAL_ERROR";
}

async function workersNow(proxy: TestProxy): Promise<string> {
  try {
    return (await proxy.workerPids()).join();
  } catch (error) {
    return `unknown: ${error}`;
  }
}
