/**
 * With a real Prometheus that scrapes the daemon, and promtool's lint of what it is given.
 * `npm run test:prometheus`; needs the Debian package prometheus.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startBackend } from "../support/backend.ts";
import type { TestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { type JsonObject, request } from "../support/http-client.ts";
import { readText } from "../support/markdown.ts";
import { needPrograms, runProgram, startProgram } from "../support/program.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait.ts";

needPrograms({ prometheus: "prometheus", promtool: "prometheus" });

const SCRAPE_EVERY = "250ms";
const START_LIMIT_MS = 30_000;
const SCRAPE_LIMIT_MS = 10_000;
const REQUESTS = 25;
/** Gauges that prom-client has always called so; every dashboard for Node.js asks for these names. */
const KNOWN_FAULTS =
  /^nodejs_active_(handles|requests|resources)_total non-counter metrics should not have "_total" suffix$/;

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, text: string];
}

const end: TestEnd = { after }; // of the whole file: an after() within before() runs when that ends
const dir = await tempDir(end, "prometheus");
let proxy: TestProxy;
let prometheusPort: number;

before(async () => {
  const [v1, v2] = [await startBackend(end), await startBackend(end)];
  proxy = await startProxy(end, { v1: v1.url, v2: v2.url, workers: 2 });
  const file = join(dir, "prometheus.yml");
  const target = `127.0.0.1:${proxy.adminPort}`;
  await writeFile(
    file,
    JSON.stringify({
      global: { scrape_interval: SCRAPE_EVERY, scrape_timeout: SCRAPE_EVERY },
      scrape_configs: [{ job_name: "daemon", static_configs: [{ targets: [target] }] }],
    }),
  );
  prometheusPort = await freePort();
  const output = startProgram(end, "prometheus", [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(dir, "data")}`,
    `--web.listen-address=127.0.0.1:${prometheusPort}`,
    "--log.level=warn",
  ]);
  const isReady = async (): Promise<boolean> =>
    (await request(prometheusPort, { path: "/-/ready" })).status === 200;
  await waitUntil("Prometheus is ready", isReady, {
    limitMs: START_LIMIT_MS,
    intervalMs: 50,
    details: output,
  });
});

async function query(expression: string): Promise<readonly Series[]> {
  const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
  const answer = await request(prometheusPort, { path });
  assert.equal(answer.status, 200, answer.body);
  const { result } = answer.json().data as { result: readonly Series[] };
  return result;
}

/** Waits until the expression has exactly one value and that is `expected`. */
async function sees(expression: string, expected: number): Promise<void> {
  let last: readonly Series[] = [];
  await waitUntil(
    `Prometheus sees ${expression} at ${expected}`,
    async () => {
      last = await query(expression);
      return last.length === 1 && Number(last[0]?.value[1]) === expected;
    },
    { limitMs: SCRAPE_LIMIT_MS, intervalMs: 50, details: () => `last: ${JSON.stringify(last)}` },
  );
}

test("Prometheus scrapes the admin listener: the target is up, without an error", async () => {
  await sees("up", 1);
  const { data } = (await request(prometheusPort, { path: "/api/v1/targets" })).json() as {
    data: { activeTargets: readonly JsonObject[] };
  };
  assert.deepEqual(
    data.activeTargets.map(({ health, lastError }) => [health, lastError]),
    [["up", ""]],
  );
});

/** @returns what promtool has to say, a line for each fault; exit code 3 means there is one. */
async function lint(metrics: string): Promise<string> {
  const args = ["check", "metrics"];
  return await runProgram("promtool", args, { limitMs: 10_000, input: metrics, codes: [0, 3] });
}

test("promtool finds nothing to say about the metrics, with traffic and a switch in them", async () => {
  assert.equal((await request(proxy.port)).status, 200);
  await proxy.switchTo("v2");
  await proxy.switchTo("v1");
  const { body } = await proxy.admin("GET", "/metrics");
  assert.match(body, /^traffic_switching_switches_total\{/m);
  const faults = (await lint(body)).split("\n").filter((line) => line !== "" && !KNOWN_FAULTS.test(line));
  assert.deepEqual(faults, []);
});

test("promtool takes the alerts of docs/operations.md", async () => {
  const [, rules = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(readText("docs/operations.md")) ?? [];
  const file = join(dir, "rules.yml");
  await writeFile(file, rules);
  assert.match(
    await runProgram("promtool", ["check", "rules", file], { limitMs: 10_000 }),
    /SUCCESS: \d+ rules/,
  );
});

test("promtool would find fault: it does with a counter that has a wrong name", async () => {
  const input = "# HELP a_requests Number.\n# TYPE a_requests counter\na_requests 1\n";
  assert.match(await lint(input), /^a_requests counter metrics should have "_total" suffix$/m);
});

test("requests, the active version and the epoch arrive in Prometheus", async () => {
  const [before = 0] = (await query('sum(traffic_switching_http_requests_total{version="v2"})')).map(
    ({ value }) => Number(value[1]),
  );
  await proxy.switchTo("v2");
  const { epoch } = await proxy.status();
  for (let n = 0; n < REQUESTS; n++) assert.equal((await request(proxy.port)).status, 200);
  await sees('sum(traffic_switching_http_requests_total{version="v2",code="200"})', before + REQUESTS);
  await sees('traffic_switching_active_version{version="v2"}', 1);
  await sees('traffic_switching_active_version{version="v1"}', 0);
  await sees("traffic_switching_switch_epoch", epoch);
});

test("a counter does not fall when a worker is killed", async () => {
  const expression = 'sum(traffic_switching_http_requests_total{code="200"})';
  const seen = Number((await query(expression))[0]?.value[1]);
  assert.ok(seen >= REQUESTS, `${seen}`);
  const [killed = 0] = await proxy.workerPids();
  process.kill(killed, "SIGKILL");
  await waitUntil("another worker stands in", async () => {
    const { workers } = await proxy.status();
    const isWhole = workers.length === 2 && workers.every(({ state }) => state === "listening");
    return isWhole && !workers.some(({ pid }) => pid === killed);
  });
  for (let n = 0; n < REQUESTS; n++) assert.equal((await request(proxy.port)).status, 200);
  await sees(expression, seen + REQUESTS);
  const resets = await query("max(resets(traffic_switching_http_requests_total[5m]))");
  assert.deepEqual(
    resets.map(({ value }) => value[1]),
    ["0"],
  );
});
