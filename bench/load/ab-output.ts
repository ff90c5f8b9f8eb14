/** What ab (Apache HTTP server benchmarking tool) prints at the end. Pure. */
import type { Latency } from "./jobs.ts";

export interface AbSummary {
  readonly requests: number;
  readonly seconds: number;
  readonly latency: Latency;
}

export interface AbExpected {
  readonly requests: number;
  readonly answerBytes: number;
}

/** @throws Error when a request failed, an answer was not 2xx or not of that length, or not all were answered. */
export function parseAb(output: string, { requests, answerBytes }: AbExpected): AbSummary {
  const optional = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0);
  const needed = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`ab did not tell ${pattern.source}\n${output}`);
    return Number(found);
  };
  const completed = needed(/^Complete requests: +(\d+)/m);
  const failed = needed(/^Failed requests: +(\d+)/m);
  const not2xx = optional(/^Non-2xx responses: +(\d+)/m);
  const bodyBytes = needed(/^Document Length: +(\d+) bytes/m);
  if (failed + not2xx > 0) throw new Error(`ab saw ${failed} failed requests and ${not2xx} answers not 2xx`);
  if (completed !== requests) throw new Error(`ab completed ${completed} of ${requests} requests`);
  if (bodyBytes !== answerBytes) {
    throw new Error(`ab got answers of ${bodyBytes} bytes, which should have ${answerBytes}`);
  }
  return {
    requests: completed,
    seconds: needed(/^Time taken for tests: +([\d.]+) seconds/m),
    latency: {
      p50Ms: needed(/^ +50% +(\d+)/m),
      p99Ms: needed(/^ +99% +(\d+)/m),
      longestMs: needed(/^ *100% +(\d+)/m),
    },
  };
}
