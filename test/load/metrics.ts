/** Figures of GET /metrics, and what must be nothing when nobody asks for anything. */
import type { TestProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/wait.ts";

const PREFIX = "traffic_switching_";

export interface Figure {
  /** With its labels, as it is written, and without our prefix. */
  readonly name: string;
  readonly value: number;
}

export async function figures(proxy: TestProxy, name: string): Promise<Figure[]> {
  const { body } = await proxy.admin("GET", "/metrics");
  const found = body
    .split("\n")
    .filter((line) => line.startsWith(`${PREFIX}${name}{`) || line.startsWith(`${PREFIX}${name} `))
    .map((line) => {
      const at = line.lastIndexOf(" ");
      return { name: line.slice(PREFIX.length, at), value: Number(line.slice(at + 1)) };
    });
  if (found.length === 0) throw new Error(`no ${name} in the metrics`);
  return found;
}

/** Those of the names that are not 0, as text. */
export async function notZero(proxy: TestProxy, names: readonly string[]): Promise<string[]> {
  const all = await Promise.all(names.map((name) => figures(proxy, name)));
  return all
    .flat()
    .filter(({ value }) => value !== 0)
    .map(({ name, value }) => `${name} ${value}`);
}

const GAUGES = [
  "http_requests_in_flight",
  "upgraded_connections",
  "upstream_queued_requests",
  "upstream_connections",
  "client_connections",
] as const;

/** Resolves when nobody is connected, nothing runs or waits, and the connections to the backends have gone. */
export async function waitQuiet(proxy: TestProxy, limitMs: number): Promise<void> {
  let left: string[] = [];
  const isQuiet = async (): Promise<boolean> => {
    left = await notZero(proxy, GAUGES);
    return left.length === 0;
  };
  const details = (): string => `left: ${left.join(", ")}`;
  await waitUntil("the daemon is quiet", isQuiet, { limitMs, intervalMs: 100, details });
}
