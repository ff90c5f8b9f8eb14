/** wrk's script and what it prints at the end. Pure. */
import type { Latency } from "./jobs.ts";

export interface WrkSummary {
  readonly requests: number;
  readonly seconds: number;
  /** Read from all connections, heads too. */
  readonly bytes: number;
  readonly latency: Latency;
}

export interface WrkRequest {
  readonly uploadBytes: number;
  readonly isClosing: boolean;
}

const MARK = "bench-summary ";

/** Lua for `wrk -s`: what is asked, and the figures with all their digits, as one line of JSON. */
export function wrkScript({ uploadBytes, isClosing }: WrkRequest): string {
  return [
    ...(uploadBytes > 0 ? ['wrk.method = "POST"', `wrk.body = string.rep("x", ${uploadBytes})`] : []),
    ...(isClosing ? ['wrk.headers["Connection"] = "close"'] : []),
    `function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '${MARK}{"requests":%.0f,"us":%.0f,"bytes":%.0f,"connect":%.0f,"read":%.0f,"write":%.0f,"status":%.0f,"timeout":%.0f,"p50":%.0f,"p99":%.0f,"p999":%.0f,"longest":%.0f}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
`,
  ].join("\n");
}

/** @throws Error when an answer was not 2xx or 3xx, a connection broke, or nothing was answered. */
export function parseWrk(output: string): WrkSummary {
  const line = output.split("\n").find((each) => each.startsWith(MARK));
  if (line === undefined) throw new Error(`wrk did not tell its figures\n${output}`);
  const figures = JSON.parse(line.slice(MARK.length)) as Record<string, number>;
  const of = (name: string): number => {
    const value = figures[name];
    if (value === undefined) throw new Error(`wrk did not tell ${name}\n${output}`);
    return value;
  };
  const errors = ["connect", "read", "write", "status", "timeout"].filter((name) => of(name) > 0);
  if (errors.length > 0) {
    throw new Error(`wrk saw errors: ${errors.map((name) => `${name} ${of(name)}`).join(", ")}`);
  }
  if (of("requests") === 0) throw new Error("wrk got not one answer");
  return {
    requests: of("requests"),
    seconds: of("us") / 1e6,
    bytes: of("bytes"),
    latency: {
      p50Ms: of("p50") / 1_000,
      p99Ms: of("p99") / 1_000,
      p999Ms: of("p999") / 1_000,
      longestMs: of("longest") / 1_000,
    },
  };
}

const MOST_HEAD_BYTES = 2_000;

/** @throws Error when the answers cannot all have had a body of `bodyBytes`. */
export function assertAnswerBytes(
  { requests, bytes }: WrkSummary,
  bodyBytes: number,
  connections: number,
): void {
  const least = requests * bodyBytes;
  const most = (requests + connections) * (bodyBytes + MOST_HEAD_BYTES); // one may be on its way on each
  if (bytes < least || bytes > most) {
    throw new Error(`${bytes} bytes in ${requests} answers, whose bodies should have ${bodyBytes} each`);
  }
}
