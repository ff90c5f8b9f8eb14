import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../src/config/pool-config.ts";
import type { ExpositionFormat } from "../../../src/telemetry/exposition.ts";
import type { SwitchView, WorkerSource } from "../../../src/telemetry/families.ts";
import { METRIC_PREFIX, METRICS, type MetricSpec } from "../../../src/telemetry/metrics.ts";
import type { PoolSource } from "../../../src/telemetry/pool-sights.ts";
import { createMetrics } from "../../../src/telemetry/scrape.ts";
import { successRate } from "../../../src/telemetry/summary.ts";
import { SwitchMetrics } from "../../../src/telemetry/switch-metrics.ts";
import {
  DURATION_BUCKETS_SECONDS,
  type PoolStats,
  type WorkerStats,
} from "../../../src/telemetry/worker-stats.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { poolsOf } from "../../support/pools-of.ts";

const CONFIG = {
  backends: [versionOfOne("v1", "http://10.0.0.1:9000"), versionOfOne("v2", "http://10.0.0.2:9000")],
  upstream: {
    connectTimeoutMs: 1,
    tlsHandshakeTimeoutMs: 1,
    responseTimeoutMs: 1,
    bodyIdleTimeoutMs: 1,
    keepAliveTimeoutMs: 1,
    streamTypes: ["text/event-stream"],
    maxHeaderBytes: 65_536,
    maxHeaderCount: 1_000,
    maxConnections: 400,
    maxIdleConnections: 200,
    maxTotalConnections: 6_000,
    maxQueue: 1,
    queueTimeoutMs: 1,
    perTryTimeoutMs: null,
    retries: 1,
    retryOn: [],
    retryBudget: 0.2,
    attemptHeader: true,
    resolvers: [],
  },
};

/** What the last gate saw of v2. */
const gateOf = (ok: boolean): SwitchView["lastProbes"] =>
  new Map([["v2", { backends: new Map([["http://10.0.0.2:9000", { ok }]]) }]]);

/** A pool of one as a worker tells it; each member is a column. */
function poolOf(version: string, name: string, changes: Partial<PoolStats> = {}): PoolStats {
  return {
    version,
    isPanicking: false,
    names: [name],
    weights: [1],
    inFlight: [2],
    active: [3],
    idle: [4],
    isEjected: [0],
    isReachable: [1],
    states: ["healthy"],
    breakers: ["closed"],
    ...changes,
  };
}

/** A worker that has answered `ok` requests of v1 with 200 and `bad` ones with 502. */
function stats({ ok = 0, bad = 0, inFlight = 0, streams = 0, residentBytes = 0 } = {}): WorkerStats {
  const buckets = [...DURATION_BUCKETS_SECONDS, Number.POSITIVE_INFINITY].map(() => 0);
  buckets[2] = ok;
  buckets[buckets.length - 1] = bad;
  return {
    epoch: 1,
    pools: null,
    requests: [
      { version: "v1", method: "GET", code: 200, count: ok },
      { version: "v1", method: "POST", code: 502, count: bad },
    ],
    durations: [{ version: "v1", buckets, sumSeconds: ok * 0.002 + bad * 40, count: ok + bad }],
    versions: [
      {
        version: "v1",
        inFlight,
        streams,
        upgraded: 1,
        connectionsActive: 2,
        connectionsIdle: 3,
        queued: 4,
        retries: 5,
      },
    ],
    upstreamErrors: [{ version: "v1", reason: "backend_closed", count: bad }],
    refusals: [{ reason: "malformed_request", count: 2 * bad }],
    clientConnections: 6,
    held: 4,
    refusedConnections: [{ reason: "max_connections_per_client", count: 3 * bad }],
    process: {
      cpuUserSeconds: 100,
      cpuSystemSeconds: 10,
      residentBytes,
      heapUsedBytes: 1,
      heapTotalBytes: 2,
      externalBytes: 3,
      gcCount: 7,
      gcSeconds: 0.5,
      eventLoopDelayMaxSeconds: 0.25,
      eventLoopDelayMeanSeconds: 0.01,
    },
  };
}

interface Daemon {
  pools: PoolSource;
  stats: Map<number, WorkerStats>;
  silent: number[];
  retired: WorkerStats[];
  switch: SwitchView;
}

function startMetrics(changes: Partial<Daemon> = {}) {
  const daemon: Daemon = {
    stats: new Map([
      [1, stats({ ok: 10, inFlight: 1 })],
      [2, stats({ ok: 5, bad: 1 })],
    ]),
    silent: [],
    retired: [],
    switch: {
      activeVersion: "v1",
      epoch: 3,
      cooldownRemainingMs: 1_500,
      pause: { reason: null },
      drains: [],
      lastProbes: new Map(),
    },
    pools: { pools: poolsOf(CONFIG.backends), probeOf: () => null },
    ...changes,
  };
  const workers: WorkerSource = {
    size: 3,
    workers: () => [...daemon.stats.keys()].map((id) => ({ id, state: "listening", epoch: 3 })),
    collect: async () => ({ stats: daemon.stats, silent: daemon.silent }),
    retired: () => daemon.retired,
  };
  const clock = new ManualClock({ wallMs: 1_700_000_000_999 });
  const subscribers = { size: 3, dropped: { slow: 2, full: 1 } };
  const build = { version: "1.2.3", node: "24.0.0" };
  return {
    daemon,
    metrics: createMetrics({
      config: CONFIG,
      workers,
      switchView: () => daemon.switch,
      pools: () => daemon.pools,
      subscribers,
      build,
      clock,
    }),
  };
}

interface ParsedFamily {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** A strict reader of both formats; throws on anything that the format does not allow. */
function parse(text: string, format: ExpositionFormat): Map<string, ParsedFamily> {
  assert.ok(text.endsWith("\n"));
  const lines = text.slice(0, -1).split("\n");
  if (format === "openmetrics") assert.equal(lines.pop(), "# EOF");
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let current: { name: string; family: ParsedFamily } | null = null;
  for (const line of lines) {
    const help = /^# HELP ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/.exec(line);
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\+Inf|-Inf|NaN|-?[\d.]+(?:e[+-]?\d+)?)$/.exec(line);
    if (help) {
      const [, name = "", text = ""] = help;
      assert.ok(!families.has(name), `HELP of ${name} twice`);
      current = { name, family: { type: "", help: text, samples: [] } };
      families.set(name, current.family);
    } else if (type) {
      assert.ok(current !== null && current.name === type[1] && current.family.type === "", line);
      current.family.type = type[2] ?? "";
    } else {
      assert.ok(sample !== null && current !== null, `unreadable line: ${line}`);
      const [, name = "", labelText = "", value = ""] = sample;
      assert.ok(!seen.has(`${name}{${labelText}}`), `sample twice: ${line}`);
      seen.add(`${name}{${labelText}}`);
      const suffixes =
        current.family.type === "histogram"
          ? ["_bucket", "_sum", "_count"]
          : [current.family.type === "counter" && format === "openmetrics" ? "_total" : ""];
      assert.ok(suffixes.includes(name.slice(current.name.length)), `${name} in family ${current.name}`);
      assert.ok(name.startsWith(current.name));
      const labels: Record<string, string> = {};
      const rest = labelText.replace(/([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"(?:,|$)/g, (_, key, label) => {
        labels[key] = label;
        return "";
      });
      assert.equal(rest, "", `unreadable labels: ${line}`);
      const number = value.endsWith("Inf") ? Number(value.replace("Inf", "Infinity")) : Number(value);
      current.family.samples.push({ name, labels, value: number });
    }
  }
  for (const [name, { type, samples }] of families) {
    assert.ok(samples.length > 0, `${name} is empty`);
    if (type === "histogram") checkHistogram(name, samples, format);
  }
  return families;
}

/** Buckets grow, end at +Inf, and agree with the count. */
function checkHistogram(name: string, samples: ParsedFamily["samples"], format: ExpositionFormat) {
  let last = { bound: Number.NEGATIVE_INFINITY, value: 0 };
  for (const sample of samples) {
    if (sample.name === `${name}_bucket`) {
      const { le = "" } = sample.labels;
      if (format === "openmetrics") assert.match(le, /[.e]|\+Inf/);
      const bound = le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
      assert.ok(bound > last.bound && sample.value >= last.value, `${name} le=${le}`);
      last = { bound, value: sample.value };
    } else if (sample.name === `${name}_count`) {
      assert.equal(last.bound, Number.POSITIVE_INFINITY);
      assert.equal(sample.value, last.value);
      last = { bound: Number.NEGATIVE_INFINITY, value: 0 };
    }
  }
}

/** The value of one sample, such as `http_requests_total{version="v1",…}`; undefined when there is none. */
function sampleValue(families: Map<string, ParsedFamily>, name: string, labels: Record<string, string> = {}) {
  for (const { samples } of families.values()) {
    for (const sample of samples) {
      if (sample.name !== name) continue;
      if (JSON.stringify(sample.labels) === JSON.stringify(labels)) return sample.value;
    }
  }
  return undefined;
}

/** What is left of a version's drain, by kind. */
async function remaining(metrics: { text(format: ExpositionFormat): Promise<string> }, version: string) {
  const families = parse(await metrics.text("prometheus"), "prometheus");
  return ["request", "stream", "upgraded"].map((kind) =>
    sampleValue(families, "traffic_switching_drain_remaining", { version, kind }),
  );
}

test("what is left of a drain is told by kind and summed over the workers, and is 0 where nothing is drained", async () => {
  const { daemon, metrics } = startMetrics({
    stats: new Map([
      [1, stats({ inFlight: 5, streams: 2 })],
      [2, stats({ inFlight: 3, streams: 3 })],
    ]),
  });
  assert.deepEqual(await remaining(metrics, "v1"), [0, 0, 0]);
  daemon.switch = { ...daemon.switch, activeVersion: "v2", drains: [{ version: "v1" }] };
  assert.deepEqual(await remaining(metrics, "v1"), [3, 5, 2]);
  assert.deepEqual(await remaining(metrics, "v2"), [0, 0, 0]);
  daemon.switch = { ...daemon.switch, activeVersion: "v1" };
  assert.deepEqual(await remaining(metrics, "v1"), [0, 0, 0], "it has been switched back to");
});

const FORMATS = ["prometheus", "openmetrics"] as const;

for (const format of FORMATS) {
  test(`the text is valid ${format}, and holds exactly the table's families with its labels, types and helps`, async () => {
    const { metrics, daemon } = startMetrics();
    daemon.switch = { ...daemon.switch, lastProbes: gateOf(false) };
    daemon.pools = { ...daemon.pools, probeOf: () => ({ verdict: "unknown", saw: null, ageMs: 1_500 }) };
    daemon.stats = new Map([[1, { ...stats(), pools: [poolOf("v1", "http://10.0.0.1:9000")] }]]);
    const families = parse(await metrics.text(format), format);
    const table: [string, MetricSpec][] = Object.entries(METRICS);
    for (const [key, spec] of table) {
      const name = METRIC_PREFIX + key;
      const family = families.get(
        format === "openmetrics" && spec.type === "counter" ? name.replace(/_total$/, "") : name,
      );
      assert.ok(family !== undefined, name);
      assert.equal(family.type, spec.type, name);
      assert.equal(family.help, spec.help, name);
      for (const { labels } of family.samples) {
        const { le: _, ...own } = labels;
        assert.deepEqual(Object.keys(own).sort(), [...spec.labels].sort(), name);
      }
    }
    const ours = [...families.keys()].filter((name) => name.startsWith(METRIC_PREFIX));
    assert.equal(ours.length, table.length);
    for (const name of families.keys()) assert.match(name, /^(traffic_switching|process|nodejs)_/);
  });
}

test("the table follows Prometheus' naming rules", () => {
  const table: [string, MetricSpec][] = Object.entries(METRICS);
  for (const [key, { type, help, labels, buckets }] of table) {
    assert.equal(key.endsWith("_total"), type === "counter", key);
    assert.match(key, /^[a-z_]+$/);
    assert.match(help, /^[A-Z1].*\.$/, key);
    assert.equal(buckets !== undefined, type === "histogram", key);
    assert.ok(!labels.includes("le"));
  }
});

test("counters of all workers and of those that are gone are added up", async () => {
  const { metrics } = startMetrics({ retired: [stats({ ok: 100, bad: 1 })] });
  const families = parse(await metrics.text("prometheus"), "prometheus");
  const value = (name: string, labels?: Record<string, string>) =>
    sampleValue(families, METRIC_PREFIX + name, labels);
  assert.equal(value("http_requests_total", { version: "v1", method: "GET", code: "200" }), 115);
  assert.equal(value("http_requests_total", { version: "v1", method: "POST", code: "502" }), 2);
  assert.equal(value("http_requests_total", { version: "v2", method: "GET", code: "200" }), 0);
  assert.equal(value("http_request_duration_seconds_count", { version: "v1" }), 117);
  assert.equal(value("http_request_duration_seconds_bucket", { version: "v1", le: "0.001" }), 0);
  assert.equal(value("http_request_duration_seconds_bucket", { version: "v1", le: "0.0025" }), 115);
  assert.equal(value("http_request_duration_seconds_bucket", { version: "v1", le: "30" }), 115);
  assert.equal(value("http_request_duration_seconds_count", { version: "v2" }), 0);
  assert.equal(value("http_requests_in_flight", { version: "v1" }), 1);
  assert.equal(value("held_requests"), 12);
  assert.equal(value("upstream_errors_total", { version: "v1", reason: "backend_closed" }), 2);
  assert.equal(value("http_refusals_total", { reason: "malformed_request" }), 4);
  assert.equal(value("client_connections_refused_total", { reason: "max_connections_per_client" }), 6);
  assert.equal(value("upstream_errors_total", { version: "v2", reason: "backend_connect_failed" }), 0);
  assert.equal(value("upstream_retries_total"), 15);
  assert.equal(value("active_version", { version: "v1" }), 1);
  assert.equal(value("active_version", { version: "v2" }), 0);
  assert.equal(value("switch_epoch"), 3);
  assert.equal(value("paused"), 1);
  assert.equal(value("switch_cooldown_remaining_seconds"), 1.5);
  assert.equal(value("worker_applied_epoch", { worker: "2" }), 3);
  assert.equal(value("workers", { state: "listening" }), 2);
  assert.equal(value("workers", { state: "missing" }), 1);
  assert.equal(value("workers_gc_cycles_total"), 21);
  assert.equal(value("build_info", { version: "1.2.3", node: "24.0.0" }), 1);
});

test("every reason to refuse a request or a connection is there from the start, and no other", async () => {
  const { metrics } = startMetrics({ stats: new Map() });
  const families = parse(await metrics.text("prometheus"), "prometheus");
  const reasons = (name: string) =>
    families.get(METRIC_PREFIX + name)?.samples.map(({ labels, value }) => [labels.reason, value]);
  assert.deepEqual(reasons("client_connections_refused_total"), [
    ["max_connections", 0],
    ["max_connections_per_client", 0],
  ]);
  assert.deepEqual(reasons("http_refusals_total"), [
    ["malformed_request", 0],
    ["request_timeout", 0],
    ["body_too_large", 0],
    ["target_too_long", 0],
    ["headers_too_large", 0],
    ["pool_exhausted", 0],
    ["no_backend_available", 0],
    ["too_many_requests_in_flight", 0],
    ["hold_full", 0],
    ["drain_deadline", 0],
    ["loop_detected", 0],
    ["internal_error", 0],
  ]);
});

test("no counter falls when a worker dies and another takes its slot", async () => {
  const { metrics, daemon } = startMetrics();
  const before = parse(await metrics.text("prometheus"), "prometheus");
  const dead = daemon.stats.get(1);
  assert.ok(dead !== undefined);
  daemon.retired = [dead];
  daemon.stats = new Map([...daemon.stats, [1, stats()]]);
  const after = parse(await metrics.text("prometheus"), "prometheus");
  let compared = 0;
  for (const { type, samples } of before.values()) {
    if (type === "gauge") continue;
    for (const { name, labels, value } of samples) {
      const now = sampleValue(after, name, labels);
      assert.ok(now !== undefined && now >= value, `${name} ${JSON.stringify(labels)}: ${value} to ${now}`);
      compared++;
    }
  }
  assert.ok(compared > 50);
});

test("a silent worker is named", async () => {
  const { metrics } = startMetrics({ silent: [2] });
  const families = parse(await metrics.text("prometheus"), "prometheus");
  assert.equal(sampleValue(families, "traffic_switching_worker_silent", { worker: "1" }), 0);
  assert.equal(sampleValue(families, "traffic_switching_worker_silent", { worker: "2" }), 1);
});

test("a backend is up or down once it was probed, and absent before", async () => {
  const { metrics, daemon } = startMetrics();
  const labels = { version: "v2", backend: "http://10.0.0.2:9000" };
  const name = "traffic_switching_backend_up";
  assert.ok(!(await metrics.text("prometheus")).includes(name));
  for (const ok of [true, false]) {
    daemon.switch = { ...daemon.switch, lastProbes: gateOf(ok) };
    const families = parse(await metrics.text("prometheus"), "prometheus");
    assert.equal(sampleValue(families, name, labels), ok ? 1 : 0);
  }
});

test("the backends of a pool are summed over the workers, and the probes in the background outdo the gate", async () => {
  const { metrics, daemon } = startMetrics();
  const name = "http://10.0.0.2:9000";
  const bad = { weights: [0], isEjected: [1], breakers: ["half-open"], isPanicking: true } as const;
  daemon.stats = new Map([
    [1, { ...stats(), pools: [poolOf("v2", name, { weights: [4] })] }],
    [2, { ...stats(), pools: [poolOf("v2", name, bad)] }],
    [3, { ...stats(), pools: [] }], // was not asked yet
  ]);
  daemon.switch = { ...daemon.switch, lastProbes: gateOf(true) };
  daemon.pools = {
    ...daemon.pools,
    probeOf: (version) => (version === "v2" ? { verdict: "unhealthy", saw: "503", ageMs: 2_500 } : null),
  };
  const families = parse(await metrics.text("prometheus"), "prometheus");
  const value = (metric: string, more: Record<string, string> = {}) =>
    sampleValue(families, METRIC_PREFIX + metric, { version: "v2", backend: name, ...more });
  assert.equal(value("backend_up"), 0);
  assert.equal(value("backend_probe_age_seconds"), 2.5);
  assert.equal(value("backend_weight"), 2);
  assert.equal(value("backend_ejected"), 1);
  assert.equal(value("backend_in_flight"), 4);
  assert.equal(value("breaker_state", { state: "closed" }), 1);
  assert.equal(value("breaker_state", { state: "half_open" }), 1);
  assert.equal(value("breaker_state", { state: "open" }), 0);
  const panic = (version: string) => sampleValue(families, `${METRIC_PREFIX}pool_panic`, { version });
  assert.deepEqual([panic("v1"), panic("v2")], [0, 1]);
});

test("a backend that has left its pool leaves no series, though a worker and a gate still know it", async () => {
  const { metrics, daemon } = startMetrics();
  const gone = "http://10.0.0.2:9000";
  const now = "http://10.0.0.9:9000";
  daemon.stats = new Map([[1, { ...stats(), pools: [poolOf("v2", gone)] }]]);
  daemon.switch = { ...daemon.switch, lastProbes: gateOf(true) };
  daemon.pools = { ...daemon.pools, pools: poolsOf([versionOfOne("v2", now)]) };
  const text = await metrics.text("prometheus");
  assert.ok(!text.includes(gone));
  const families = parse(text, "prometheus");
  const labels = { version: "v2", backend: now };
  assert.equal(sampleValue(families, `${METRIC_PREFIX}backend_in_flight`, labels), 0);
  assert.equal(
    sampleValue(families, `${METRIC_PREFIX}backend_weight`, labels),
    undefined,
    "no worker has told",
  );
});

test("what the workers say of their process is added to the primary's own, under the standard names", async () => {
  const { metrics } = startMetrics({ retired: [stats()] });
  const families = parse(await metrics.text("prometheus"), "prometheus");
  const cpu = sampleValue(families, "process_cpu_seconds_total") ?? 0;
  assert.ok(cpu >= 330 && cpu < 390, String(cpu));
  assert.match(families.get("process_cpu_seconds_total")?.help ?? "", /Sum of all processes\.$/);
  assert.match(families.get("process_open_fds")?.help ?? "", /Primary only\.$/);
});

test("switches and their phases are counted; a name that is not configured makes no label of its own", async () => {
  const { metrics } = startMetrics();
  metrics.switches.switchEnded({
    from: "v1",
    to: "v2",
    outcome: "done",
    trigger: "switch",
    phaseSeconds: { prepare: 0.02, persist: 0.001 },
  });
  metrics.switches.switchEnded({
    from: "v1",
    to: "v77",
    outcome: "gate_refused",
    trigger: "switch",
    phaseSeconds: { prepare: 2 },
  });
  const families = parse(await metrics.text("prometheus"), "prometheus");
  const switches = (labels: Record<string, string>) =>
    sampleValue(families, "traffic_switching_switches_total", labels);
  assert.equal(switches({ from: "v1", to: "v2", outcome: "done", trigger: "switch" }), 1);
  assert.equal(switches({ from: "v2", to: "v1", outcome: "done", trigger: "switch" }), 0);
  assert.equal(switches({ from: "v1", to: "unknown", outcome: "gate_refused", trigger: "switch" }), 1);
  const counted = (phase: string) =>
    sampleValue(families, "traffic_switching_switch_duration_seconds_count", { phase });
  assert.equal(counted("prepare"), 2);
  assert.equal(counted("persist"), 1);
  assert.equal(counted("commit"), 0);
});

/** Of each two versions, and of each alone. */
const ENDS_OF_TWO = 8 + 7 + 6;

for (const [what, count, expected] of [
  ["every outcome of each trigger is there at 0", 5, 5 * 4 * ENDS_OF_TWO + 5],
  ["of many versions, that can be very many, only switches that are done are", 6, 6 * 5],
] as const) {
  test(`before the first switch ${what}`, async () => {
    const versions = Array.from({ length: count }, (_, i) => `v${i + 1}`);
    const text = await new SwitchMetrics(versions).registry.metrics();
    const series = [...text.matchAll(/^traffic_switching_switches_total\{(.*)\} (\d+)$/gm)];
    assert.equal(new Set(series.map(([, labels]) => labels)).size, expected);
    assert.deepEqual(new Set(series.map(([, , value]) => value)), new Set(["0"]));
    const isThere = (labels: string) => series.some(([, given]) => given === labels);
    assert.ok(isThere('from="v1",to="v2",outcome="done",trigger="switch"'));
    for (const rare of [
      'from="v1",to="v2",outcome="gate_refused",trigger="switch"',
      'from="v2",to="v1",outcome="write_failed",trigger="rollback"',
      'from="v1",to="v2",outcome="done",trigger="fail-over"',
      'from="v1",to="v1",outcome="nothing_to_roll_back",trigger="rollback"',
    ]) {
      assert.equal(isThere(rare), count <= 5, rare);
    }
  });
}

test("scrapes at the same time, in both formats, do not disturb each other", async () => {
  const { metrics } = startMetrics();
  const pages = await Promise.all(
    Array.from({ length: 20 }, (_, i) => {
      const format = FORMATS[i % 2] ?? "prometheus";
      return metrics.text(format).then((text) => parse(text, format));
    }),
  );
  for (const families of pages) {
    const labels = { version: "v1", method: "GET", code: "200" };
    assert.equal(sampleValue(families, "traffic_switching_http_requests_total", labels), 15);
  }
});

test("a label with quotes, backslashes and line ends stays one label", async () => {
  const { metrics, daemon } = startMetrics();
  const odd = { version: "v1", reason: 'a"b\\c\nd', count: 1 };
  daemon.stats = new Map([[1, { ...stats(), upstreamErrors: [odd] }]]);
  for (const format of FORMATS) {
    const families = parse(await metrics.text(format), format);
    const name = "traffic_switching_upstream_errors_total";
    assert.equal(sampleValue(families, name, { version: "v1", reason: 'a\\"b\\\\c\\nd' }), 1);
  }
});

test("the JSON summary adds the workers up", async () => {
  const notFound = { version: "v1", method: "GET", code: 404, count: 1 };
  const { metrics } = startMetrics({
    retired: [{ ...stats({ ok: 99 }), requests: [{ ...notFound, code: 200, count: 99 }, notFound] }],
  });
  const { runtime, ...summary } = await metrics.summary();
  assert.deepEqual(summary, {
    timestamp: 1_700_000_000,
    requests: { total: 116, success: 115, errors: 1, success_rate: "99.13%" },
    proxy: {
      active_version: "v1",
      epoch: 3,
      in_flight: 1,
      upgraded_connections: 3,
      transport: { max_idle_conns: 6_000, max_idle_conns_per_host: 200, max_conns_per_host: 400 },
      connections: { active: 6, idle: 9 },
      retries: 15,
    },
  });
  assert.equal(runtime.workers, 2);
  assert.equal(runtime.gc_cycles, 21);
  assert.equal(runtime.node, "24.0.0");
  assert.ok(runtime.memory_mb > 0 && runtime.cpu_cores > 0 && runtime.uptime_seconds >= 0);
});

test("the success rate is 100.00% only when nothing failed", () => {
  assert.equal(successRate(0, 0), "100.00%");
  assert.equal(successRate(1_000_000, 500), "99.95%");
  assert.equal(successRate(10_000_000, 1), "99.99%");
  assert.equal(successRate(3, 3), "0.00%");
  assert.equal(successRate(7, 0), "100.00%");
});
