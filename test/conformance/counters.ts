/** What the daemon counts, read from its /metrics as an operator would. For cases of the daemon alone. */
import type { TestProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/wait.ts";

type Labels = Readonly<Record<string, string>>;

const LIMIT_MS = 3_000;
const SAMPLE = /^traffic_switching_(\w+)(?:\{(.*)\})? (\S+)$/gm;
/** A worker that was too busy to answer is counted with what it last said. */
const SILENT_WORKER = /^traffic_switching_worker_silent\{[^}]*\} 1$/m;

/** @param name without the prefix. @returns the sum of all samples that have these labels; 0 when there is none. */
export async function readCounter(proxy: TestProxy, name: string, labels: Labels = {}): Promise<number> {
  const text = await waitUntil("every worker says what it has counted", () => scrape(proxy), {
    limitMs: LIMIT_MS,
  });
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const [, found, given = "", value] of text.matchAll(SAMPLE)) {
    if (found === name && wanted.every((label) => given.split(",").includes(label))) sum += Number(value);
  }
  return sum;
}

async function scrape(proxy: TestProxy): Promise<string | undefined> {
  const { status, body } = await proxy.admin("GET", "/metrics");
  if (status !== 200) throw new Error(`GET /metrics: ${status}`);
  return SILENT_WORKER.test(body) ? undefined : body;
}
