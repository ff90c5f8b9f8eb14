/** GET /metrics: the numbers of all workers together, in three forms; and the log stays small when requests fail. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { startLoad } from "../../support/load-driver.ts";
import { sayName, startPair } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const { v1, proxy, behave } = await startPair(
  { after },
  { workers: 2, config: { backends: { dead: `http://127.0.0.1:${await freePort()}` } } },
);

const OURS = [
  "http_requests_total",
  "http_request_duration_seconds_count",
  "http_requests_in_flight",
  "upgraded_connections",
  "client_connections",
  "client_connections_refused_total",
  "http_refusals_total",
  "held_requests",
  "upstream_errors_total",
  "upstream_connections",
  "upstream_retries_total",
  "active_version",
  "switch_epoch",
  "worker_applied_epoch",
  "switches_total",
  "switch_duration_seconds_count",
  "paused",
  "switch_cooldown_remaining_seconds",
  "workers",
  "build_info",
] as const;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Written from the format's own page, apart from the code under test. */
function parse(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      assert.ok(match, `not a sample: ${line}`);
      const pairs = [...(match[2] ?? "").matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)];
      const value = match[3] === "+Inf" ? Number.POSITIVE_INFINITY : Number(match[3]);
      assert.ok(!Number.isNaN(value) || match[3] === "NaN", line);
      return {
        name: match[1] ?? "",
        labels: Object.fromEntries(pairs.map(([, name = "", given = ""]) => [name, given])),
        value,
      };
    });
}

async function samples(): Promise<Sample[]> {
  const reply = await proxy.admin("GET", "/metrics");
  assert.equal(reply.status, 200);
  return parse(reply.body);
}

function sum(all: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  return all
    .filter((sample) => sample.name === `traffic_switching_${name}`)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0);
}

test("the first scrape has every family, as Prometheus text", { timeout: 20_000 }, async () => {
  const reply = await proxy.admin("GET", "/metrics");
  assert.match(String(reply.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  const all = parse(reply.body);
  for (const name of OURS) {
    assert.ok(
      all.some((sample) => sample.name === `traffic_switching_${name}`),
      `${name} is missing`,
    );
  }
  for (const start of ["process_", "nodejs_"]) assert.ok(all.some(({ name }) => name.startsWith(start)));
  const keys = all.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
  assert.equal(new Set(keys).size, keys.length, "no sample is there twice");
  for (const { name } of all) {
    const family = name.replace(/_(bucket|sum|count)$/, "");
    assert.ok(
      reply.body.includes(`# TYPE ${name} `) || reply.body.includes(`# TYPE ${family} `),
      `${name} has no type`,
    );
  }
});

test("Accept chooses the form: OpenMetrics, the JSON summary, or text", { timeout: 20_000 }, async () => {
  const typeFor = async (accept: string): Promise<string> =>
    String((await proxy.admin("GET", "/metrics", { headers: { accept } })).headers["content-type"]);
  assert.match(
    await typeFor("application/openmetrics-text; version=1.0.0"),
    /^application\/openmetrics-text/,
  );
  assert.match(await typeFor("application/json"), /^application\/json/);
  assert.match(await typeFor("*/*"), /^text\/plain/);
  assert.match(
    await typeFor(
      "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
    ),
    /^application\/openmetrics-text/,
    "as Prometheus asks",
  );
  const openMetrics = await proxy.admin("GET", "/metrics", {
    headers: { accept: "application/openmetrics-text" },
  });
  assert.ok(openMetrics.body.endsWith("# EOF\n"));
});

test("the requests of all workers add up, by version, method and code", { timeout: 30_000 }, async () => {
  const before = await samples();
  const [first, second] = await proxy.workerPids();
  assert.ok(first && second);
  await whilePaused([first], async () => {
    for (let n = 0; n < 7; n++) await request(proxy.port, { path: `/a/path/${n}` });
  });
  await whilePaused([second], async () => {
    for (let n = 0; n < 5; n++) await request(proxy.port, { method: "POST", body: "x" });
  });
  const answer = behave.v1;
  behave.v1 = (_req, res) => res.writeHead(404).end();
  await request(proxy.port);
  behave.v1 = answer;
  await request(proxy.port, { method: "BREW" }).catch(() => undefined); // what node's own parser refuses
  const after = await samples();
  const grew = (labels: Readonly<Record<string, string>>): number =>
    sum(after, "http_requests_total", labels) - sum(before, "http_requests_total", labels);
  assert.equal(grew({ version: "v1", method: "GET", code: "200" }), 7);
  assert.equal(grew({ version: "v1", method: "POST", code: "200" }), 5);
  assert.equal(grew({ version: "v1", code: "404" }), 1);
  const count = (all: readonly Sample[]): number =>
    sum(all, "http_request_duration_seconds_count", { version: "v1" });
  assert.equal(count(after) - count(before), grew({ version: "v1" }));
  const infinite = sum(after, "http_request_duration_seconds_bucket", { version: "v1", le: "+Inf" });
  assert.equal(infinite, count(after));
  const text = (await proxy.admin("GET", "/metrics")).body;
  assert.ok(!text.includes("/a/path"), "a path is never a label");
});

test("a request that cannot be parsed counts as refused, and as no version's request", {
  timeout: 20_000,
}, async (t) => {
  const before = await samples();
  const client = await openRaw(proxy.port, { t });
  client.send("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n");
  assert.equal((await client.readResponse()).status, 400);
  const after = await samples();
  const grew = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    sum(after, name, labels) - sum(before, name, labels);
  assert.equal(grew("http_refusals_total", { reason: "malformed_request" }), 1);
  assert.equal(grew("http_refusals_total"), 1, "and under no other reason");
  assert.equal(grew("http_requests_total"), 0);
});

test("both ports tell the same numbers", { timeout: 20_000 }, async () => {
  const there = parse((await request(proxy.port, { path: "/metrics" })).body);
  const here = await samples();
  assert.equal(sum(there, "http_requests_total"), sum(here, "http_requests_total"));
});

test("an admin call counts as no request of a version", { timeout: 20_000 }, async () => {
  const before = sum(await samples(), "http_requests_total");
  for (const path of ["/status", "/metrics"]) await request(proxy.port, { path });
  assert.equal((await proxy.adminOnTrafficPort("POST", "/switch", { body: { version: "v9" } })).status, 404);
  assert.equal(sum(await samples(), "http_requests_total"), before);
});

test("requests in flight are counted, and gone when they end", { timeout: 20_000 }, async () => {
  let answer = (): void => undefined;
  behave.v1 = (_req, res) => {
    answer = () => res.end();
  };
  const seen = v1.requestSeen();
  const running = request(proxy.port);
  await seen;
  assert.equal(sum(await samples(), "http_requests_in_flight", { version: "v1" }), 1);
  answer();
  await running;
  behave.v1 = sayName("v1");
  await waitUntil("nothing is in flight", async () => sum(await samples(), "http_requests_in_flight") === 0);
});

test("switches are counted by how they ended, and the epoch and the active version are told", {
  timeout: 30_000,
}, async () => {
  await proxy.switchTo("v2");
  assert.equal((await proxy.admin("POST", "/switch", { body: { version: "dead" } })).status, 422);
  assert.equal((await proxy.admin("POST", "/rollback", { body: {} })).status, 200);
  const all = await samples();
  assert.equal(sum(all, "switches_total", { from: "v1", to: "v2", outcome: "done", trigger: "switch" }), 1);
  assert.equal(sum(all, "switches_total", { from: "v2", to: "v1", outcome: "done", trigger: "rollback" }), 1);
  assert.equal(sum(all, "switches_total", { to: "dead", outcome: "gate_refused" }), 1);
  assert.equal(sum(all, "switch_epoch"), 2);
  assert.equal(sum(all, "active_version", { version: "v1" }), 1);
  assert.equal(sum(all, "active_version", { version: "v2" }), 0);
  assert.equal(sum(all, "worker_applied_epoch"), 4, "both workers are at epoch 2");
  assert.equal(sum(all, "backend_up", { version: "dead" }), 0);
  assert.ok(all.some(({ name, labels }) => name.endsWith("_backend_up") && labels.version === "dead"));
  assert.equal(sum(all, "workers", { state: "listening" }), 2);
});

test("the JSON summary has the numbers that scripts read, and they fit the text", {
  timeout: 20_000,
}, async () => {
  const reply = await proxy.admin("GET", "/metrics", { headers: { accept: "application/json" } });
  const summary = reply.json() as {
    timestamp: number;
    requests: { total: number; success: number; errors: number; success_rate: string };
    proxy: Record<string, unknown>;
    runtime: Record<string, unknown>;
  };
  assert.ok(Math.abs(summary.timestamp - Date.now() / 1_000) < 60);
  const { total, success, errors, success_rate } = summary.requests;
  assert.equal(total, sum(await samples(), "http_requests_total"));
  assert.equal(success + errors, total);
  assert.match(success_rate, /^\d{1,3}\.\d\d%$/);
  assert.equal(typeof summary.proxy, "object");
  assert.equal(typeof summary.runtime, "object");
});

test("a counter never falls when a worker dies", { timeout: 40_000 }, async () => {
  for (let n = 0; n < 20; n++) await request(proxy.port);
  const before = sum(await samples(), "http_requests_total", { version: "v1" });
  for (const pid of await proxy.workerPids()) process.kill(pid, "SIGKILL");
  await waitUntil(
    "both workers are replaced",
    async () => (await proxy.admin("GET", "/readyz")).status === 200,
    {
      limitMs: 20_000,
    },
  );
  assert.equal(sum(await samples(), "http_requests_total", { version: "v1" }), before);
  await request(proxy.port);
  assert.equal(sum(await samples(), "http_requests_total", { version: "v1" }), before + 1);
});

test("a silent worker is named, not waited for", { timeout: 40_000 }, async () => {
  const { workers } = await proxy.status();
  const [silent] = workers as readonly { id?: number; pid: number }[];
  assert.ok(silent);
  const before = sum(await samples(), "http_requests_total");
  await whilePaused([silent.pid], async () => {
    const beganAtMs = performance.now();
    const all = await samples();
    assert.ok(performance.now() - beganAtMs < 5_000, "the scrape waited for it");
    assert.equal(sum(all, "worker_silent", { worker: String(silent.id) }), 1);
    assert.equal(sum(all, "worker_silent"), 1);
    assert.equal(sum(all, "http_requests_total"), before, "it counts with what it last said");
  });
});

test("2,000 failed requests make a few lines in the log, not one each", { timeout: 60_000 }, async (t) => {
  await proxy.switchTo("dead", { force: true, reason: "to make requests fail" });
  const before = proxy.logs().length;
  const errorsBefore = sum(await samples(), "upstream_errors_total", { version: "dead" });
  const load = startLoad(t, proxy.port, { keptAlive: 8, short: 0 });
  await load.more(2_000);
  await load.stop();
  assert.ok(load.results.every(({ status }) => status === 502));
  const failed = load.results.length;
  await waitUntil("the metrics have them all", async () => {
    const errors = sum(await samples(), "upstream_errors_total", { version: "dead" }) - errorsBefore;
    return errors >= failed;
  });
  const lines = proxy.logs().slice(before);
  const about = lines.filter(({ code }) => code === "BACKEND_CONNECT_FAILED");
  assert.ok(about.length >= 1, "the first failure is told at once");
  assert.ok(lines.length <= 20, `${lines.length} lines`);
  // Each was tried twice (upstream.retries is 1), but the log counts requests.
  const told = about.reduce((total, { count }) => total + Number(count), 0);
  assert.ok(told >= 1 && told <= failed, `${told} of ${failed}: ${JSON.stringify(about)}`);
  await proxy.switchTo("v1");
});
