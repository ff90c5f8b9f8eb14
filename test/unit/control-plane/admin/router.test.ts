import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOfOne } from "../../../../src/config/pool-config.ts";
import type { AdminDeps } from "../../../../src/control-plane/admin/admin-deps.ts";
import { createAdminRouter } from "../../../../src/control-plane/admin/router.ts";
import type { BackendsEntry, SwitchEntry } from "../../../../src/control-plane/switch/state-store.ts";
import { SwitchRefusal } from "../../../../src/control-plane/switch/switch-refusal.ts";
import type { SwitcherStatus } from "../../../../src/control-plane/switch/switcher.ts";
import type { AdminCall } from "../../../../src/core/admin-call.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import type { WorkerStats } from "../../../../src/telemetry/worker-stats.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { poolsOf } from "../../../support/pools-of.ts";

const CALL: AdminCall = {
  method: "GET",
  target: "/status",
  headers: { host: "127.0.0.1:8081", "content-type": "application/json" },
  body: "",
  remoteAddress: "127.0.0.1",
  listener: "admin",
};

const STATUS: SwitcherStatus = {
  activeVersion: "v2",
  epoch: 4,
  phase: "idle",
  cooldownRemainingMs: 1_200,
  rollbackTo: "v1",
  drains: [],
  pause: null,
  state: { source: "history", damaged: [] },
  lastProbes: new Map(),
};

const DONE = {
  success: true,
  message: "switched",
  version: "v2",
  backend: "http://10.0.0.2:9000",
  health_check: "passed",
  changed: true,
  previous_version: "v1",
  epoch: 5,
  forced: false,
} as const;

/** A router whose parts are stand-ins; `seen` holds what they were called with. */
function startRouter(changes: Partial<AdminDeps> = {}) {
  const seen: unknown[] = [];
  const logged: object[] = [];
  const clock = new ManualClock({ nowMs: 50_000, wallMs: Date.UTC(2030, 0, 1) });
  const deps: AdminDeps = {
    switcher: {
      switchTo: async (call, context) => {
        seen.push({ switchTo: call, context });
        return DONE;
      },
      pause: async (call, actor) => {
        seen.push({ pause: call, actor });
        return { success: true, changed: true, message: "paused", paused_until: "2030-01-01T00:00:30.000Z" };
      },
      resume: async (actor) => {
        seen.push({ resume: actor });
        return { success: true, changed: true, message: "resumed", paused_until: null };
      },
      rollback: async (call, context) => {
        seen.push({ rollback: call, context });
        return DONE;
      },
      status: () => STATUS,
    },
    backends: {
      change: async (call, actor) => {
        seen.push({ change: call, actor });
        return {
          success: true,
          changed: true,
          message: "done",
          version: "v1",
          backends: [],
          silent_workers: [],
        };
      },
      beforeSwitch: (begin) => begin(),
      pools: [{ version: "v1", backends: [], without_effect: [] }],
    },
    store: {
      history: (limit) => {
        seen.push({ history: limit });
        return [];
      },
    },
    fleet: {
      workers: () => [{ id: 1, pid: 77, state: "listening", epoch: 4 }],
      collect: async (timeoutMs) => {
        seen.push({ collect: timeoutMs });
        return { stats: new Map(), silent: [] };
      },
    },
    metrics: {
      text: async (format) => `${format}\n`,
      summary: () => Promise.reject(new ProxyError("INTERNAL_ERROR", "not part of this test")),
    },
    pools: () => ({ pools: poolsOf(deps.config.backends), probeOf: () => null }),
    describe: (version) => (version === "v1" ? "http://10.0.0.1:9000" : "http://10.0.0.2:9000"),
    events: { open: () => () => {}, isFull: false, isClosed: false },
    config: {
      admin: {
        host: "127.0.0.1",
        port: 8081,
        socket: null,
        token: null,
        tokens: [],
        readAllow: [],
        onTrafficPort: true,
        tls: null,
      },
      backends: [versionOfOne("v1", "http://10.0.0.1:9000"), versionOfOne("v2", "http://10.0.0.2:9000")],
    },
    build: { version: "1.2.3", node: "24.0.0" },
    readiness: () => ({ ready: true, why: "" }),
    startCheck: () => ({ state: "passed", version: "v2", saw: "200" }),
    clock,
    log: { error: (fields) => void logged.push(fields) },
    ...changes,
  };
  const route = createAdminRouter(deps);
  const ask = (call: Partial<AdminCall>) => route({ ...CALL, ...call });
  const askJson = async (call: Partial<AdminCall>) => JSON.parse((await ask(call)).body);
  return { ask, askJson, seen, logged, deps };
}

const ROUTES = {
  "/": "GET, HEAD",
  "/switch": "POST",
  "/rollback": "POST",
  "/pause": "POST",
  "/resume": "POST",
  "/backends": "GET, HEAD, POST",
  "/status": "GET, HEAD",
  "/metrics": "GET, HEAD",
  "/history": "GET, HEAD",
  "/events": "GET, HEAD",
  "/livez": "GET, HEAD",
  "/readyz": "GET, HEAD",
};
/** Those for which the body below is none. */
const OTHER_BODIES = new Set(["/rollback", "/pause", "/resume", "/backends"]);
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"];

for (const [path, allow] of Object.entries(ROUTES)) {
  test(`${path} takes ${allow} and answers 405 with Allow to the rest, before it asks who calls`, async () => {
    const { ask } = startRouter();
    for (const method of METHODS) {
      const allowed = allow.split(", ").includes(method);
      const remoteAddress = allowed ? "127.0.0.1" : "203.0.113.9";
      const answer = await ask({ method, target: `${path}?x=1`, remoteAddress, body: '{"version":"v2"}' });
      if (allowed && !OTHER_BODIES.has(path)) assert.equal(answer.status, 200, method);
      else if (!allowed) {
        assert.equal(answer.status, 405, method);
        assert.equal(answer.headers.Allow, allow);
        assert.equal(JSON.parse(answer.body).code, "METHOD_NOT_ALLOWED");
      }
    }
  });
}

test("only /switch, /status and /metrics exist on the traffic listener", async () => {
  const { ask } = startRouter();
  for (const [path, allow] of Object.entries(ROUTES)) {
    const method = allow.split(",")[0] ?? "";
    const answer = await ask({ listener: "traffic", target: path, method, body: '{"version":"v2"}' });
    assert.equal(answer.status, ["/switch", "/status", "/metrics"].includes(path) ? 200 : 404, path);
  }
});

for (const target of [
  "/nope",
  "/status/",
  "//status",
  "/STATUS",
  "/status;a",
  "http://127.0.0.1/status",
  "*",
  "",
  "/%73tatus",
]) {
  test(`${JSON.stringify(target)} is not one of ours: 404`, async () => {
    const answer = await startRouter().ask({ target });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["Content-Type"], "application/problem+json");
    assert.equal(JSON.parse(answer.body).code, "NOT_FOUND");
  });
}

test("strangers may ask /livez and /readyz, and nothing else", async () => {
  const { ask, seen } = startRouter();
  for (const [path, allow] of Object.entries(ROUTES)) {
    const answer = await ask({
      target: path,
      method: allow.split(",")[0] ?? "",
      remoteAddress: "203.0.113.9",
      body: "{}",
    });
    assert.equal(answer.status, ["/livez", "/readyz"].includes(path) ? 200 : 403, path);
  }
  assert.deepEqual(seen, []);
});

test("a missing token is 401 with WWW-Authenticate, and nothing is switched", async () => {
  const { deps } = startRouter();
  const { ask, seen } = startRouter({
    config: { ...deps.config, admin: { ...deps.config.admin, token: "hush" } },
  });
  const refused = await ask({ method: "POST", target: "/switch", body: '{"version":"v2"}' });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers["WWW-Authenticate"], "Bearer");
  assert.doesNotMatch(JSON.stringify(refused), /hush/);
  assert.deepEqual(seen, []);
  const headers = { ...CALL.headers, authorization: "Bearer hush" };
  const done = await ask({ method: "POST", target: "/switch", headers, body: '{"version":"v2"}' });
  assert.equal(done.status, 200);
  assert.doesNotMatch((await ask({})).body, /hush/);
});

test("POST /switch hands the checked call, the actor and the key to the switcher", async () => {
  const { askJson, seen } = startRouter();
  const headers = { ...CALL.headers, "idempotency-key": "k-1" };
  const post = { method: "POST", target: "/switch", headers };
  assert.deepEqual(await askJson({ ...post, body: '{"version":"v2","reason":"r"}' }), DONE);
  await askJson({ ...post, body: '{ "reason": "r", "version": "v2" }' });
  await askJson({ ...post, body: '{"version":"v1"}' });
  const digests = seen.map((each) => JSON.stringify(each).match(/"bodyDigest":"(\w+)"/)?.[1]);
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
  assert.deepEqual(seen[0], {
    switchTo: { version: "v2", force: false, dryRun: false, reason: "r", expect: null, waitMs: 0, holdMs: 0 },
    context: { actor: "loopback", idempotencyKey: "k-1", bodyDigest: digests[0] },
  });
});

test("POST /rollback takes an empty body, and its key is not that of a switch", async () => {
  const { ask, seen } = startRouter();
  const answer = await ask({ method: "POST", target: "/rollback" });
  assert.equal(answer.status, 200);
  assert.match(JSON.stringify(seen[0]), /"idempotencyKey":null/);
});

test("calls that change something need a Content-Type and refuse foreign pages; the body comes after that", async () => {
  const { ask, seen } = startRouter();
  for (const target of ["/switch", "/rollback"]) {
    const post = { method: "POST", target, body: "{" };
    const untyped = await ask({ ...post, headers: { host: "localhost" } });
    assert.equal(untyped.status, 415, target);
    const foreign = await ask({ ...post, headers: { ...CALL.headers, origin: "http://evil.example" } });
    assert.equal(foreign.status, 403, target);
    assert.equal((await ask(post)).status, 400, target);
  }
  assert.deepEqual(seen, []);
});

for (const body of ["", "{", "[]", '{"version":1}', '{"version":"v2","dryrun":true}', "null"]) {
  test(`POST /switch with ${JSON.stringify(body)} is malformed and reaches no switcher`, async () => {
    const { ask, seen } = startRouter();
    const answer = await ask({ method: "POST", target: "/switch", body });
    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).code, "MALFORMED_CALL");
    assert.deepEqual(seen, []);
  });
}

for (const key of ["", "k".repeat(256)]) {
  test(`an Idempotency-Key of ${key.length} characters is refused`, async () => {
    const { ask, seen } = startRouter();
    const headers = { ...CALL.headers, "idempotency-key": key };
    const answer = await ask({ method: "POST", target: "/switch", headers, body: '{"version":"v2"}' });
    assert.equal(answer.status, 400);
    assert.deepEqual(seen, []);
  });
}

test("a refusal of the switcher keeps its details, and says when to try again", async () => {
  const { deps } = startRouter();
  const refuse = async () => {
    throw new SwitchRefusal("SWITCH_COOLING_DOWN", "too soon", {
      details: { cooldown_remaining_seconds: 7 },
      retryAfterSeconds: 7,
    });
  };
  const { ask } = startRouter({ switcher: { ...deps.switcher, switchTo: refuse } });
  const answer = await ask({ method: "POST", target: "/switch", body: '{"version":"v2"}' });
  assert.equal(answer.status, 429);
  assert.deepEqual(answer.headers, { "Content-Type": "application/problem+json", "Retry-After": "7" });
  assert.deepEqual(JSON.parse(answer.body), {
    type: "about:blank",
    title: "Too Many Requests",
    status: 429,
    detail: "too soon",
    success: false,
    code: "SWITCH_COOLING_DOWN",
    message: "too soon",
    cooldown_remaining_seconds: 7,
  });
});

test("an unexpected failure is a 500 that tells nothing, and is logged", async () => {
  const { deps } = startRouter();
  const status = () => {
    throw new TypeError("inner detail");
  };
  const { ask, logged } = startRouter({ switcher: { ...deps.switcher, status } });
  const answer = await ask({ target: "/status?secret" });
  assert.equal(answer.status, 500);
  assert.equal(JSON.parse(answer.body).code, "ADMIN_INTERNAL_ERROR");
  assert.doesNotMatch(answer.body, /inner detail/);
  assert.equal(logged.length, 1);
  assert.doesNotMatch(JSON.stringify(logged), /secret/);
});

test("GET /status says what serves, and how its backends are seen", async () => {
  const { ask, askJson, seen } = startRouter();
  const { uptime_seconds, ...body } = await askJson({});
  const backend = (name: string) => ({
    name,
    weight: 1,
    effective_weight: null, // no worker has told
    state: "unknown",
    drained: false,
    health: { by: null, verdict: "unknown", saw: null },
    workers: 0,
    ejected_by: 0,
    reachable_by: 0,
    breaker: null,
    in_flight: 0,
    connections: { active: 0, idle: 0 },
  });
  assert.equal(typeof uptime_seconds, "number");
  assert.deepEqual(body, {
    current_version: "v2",
    current_backend: "http://10.0.0.2:9000",
    backends: { v1: "http://10.0.0.1:9000", v2: "http://10.0.0.2:9000" },
    epoch: 4,
    phase: "idle",
    workers: [{ id: 1, pid: 77, state: "listening", epoch: 4 }],
    health: {
      v1: { state: "unknown", at: null, saw: null },
      v2: { state: "unknown", at: null, saw: null },
    },
    pools: {
      v1: { panic: false, backends: [backend("http://10.0.0.1:9000")] },
      v2: { panic: false, backends: [backend("http://10.0.0.2:9000")] },
    },
    drain: [],
    cooldown_remaining_seconds: 2,
    rollback_to: "v1",
    paused: null,
    state: { source: "history", damaged: false, problems: [] },
    ready: true,
    start_check: { state: "passed", version: "v2", saw: "200" },
    build: { version: "1.2.3", node: "24.0.0" },
  });
  assert.deepEqual(seen, [{ collect: 300 }]);
  const answer = await ask({});
  assert.equal(answer.headers["Content-Type"], "application/json; charset=utf-8");
  assert.ok(answer.body.endsWith("}\n"));
});

test("GET /status tells damage, probes, and that it is not ready", async () => {
  const { deps } = startRouter();
  const at = "2030-01-01T00:00:00.000Z";
  const status = (): SwitcherStatus => ({
    ...STATUS,
    state: { source: "config", damaged: [".version is empty"] },
    lastProbes: new Map([
      ["v1", { ok: false, at, saw: "503, expected 200-399", backends: new Map() }],
      ["v2", { ok: true, at, saw: "200", backends: new Map() }],
    ]),
  });
  const { askJson } = startRouter({
    switcher: { ...deps.switcher, status },
    readiness: () => ({ ready: false, why: "ending" }),
  });
  const body = await askJson({});
  assert.deepEqual(body.state, { source: "config", damaged: true, problems: [".version is empty"] });
  assert.deepEqual(body.health.v1, { state: "unhealthy", at, saw: "503, expected 200-399" });
  assert.deepEqual(body.health.v2, { state: "healthy", at, saw: "200" });
  assert.equal(body.ready, false);
});

test("GET /status lists a drain while something of it still runs, summed over the workers that answer", async () => {
  const { deps } = startRouter();
  const drains = [{ version: "v1", startedAtMs: 40_000, deadlineAtMs: 70_000 }];
  const running = (inFlight: number, streams: number, upgraded: number): WorkerStats => ({
    epoch: 4,
    requests: [],
    durations: [],
    versions: [
      {
        version: "v1",
        inFlight,
        streams,
        upgraded,
        connectionsActive: 0,
        connectionsIdle: 0,
        queued: 0,
        retries: 0,
      },
      {
        version: "v2",
        inFlight: 99,
        streams: 99,
        upgraded: 99,
        connectionsActive: 0,
        connectionsIdle: 0,
        queued: 0,
        retries: 0,
      },
    ],
    upstreamErrors: [],
    refusals: [],
    clientConnections: 0,
    held: 0,
    refusedConnections: [],
    pools: null,
    process: {
      cpuUserSeconds: 0,
      cpuSystemSeconds: 0,
      residentBytes: 0,
      heapUsedBytes: 0,
      heapTotalBytes: 0,
      externalBytes: 0,
      gcCount: 0,
      gcSeconds: 0,
      eventLoopDelayMaxSeconds: 0,
      eventLoopDelayMeanSeconds: 0,
    },
  });
  let stats = new Map([
    [1, running(2, 1, 0)],
    [2, running(1, 1, 4)],
  ]);
  const limits: number[] = [];
  const { askJson } = startRouter({
    switcher: { ...deps.switcher, status: () => ({ ...STATUS, drains }) },
    fleet: {
      ...deps.fleet,
      collect: async (timeoutMs) => {
        limits.push(timeoutMs);
        return { stats, silent: [3] };
      },
    },
  });
  assert.deepEqual((await askJson({})).drain, [
    { version: "v1", in_flight: 3, streams: 2, upgraded: 4, deadline_at: "2030-01-01T00:00:20.000Z" },
  ]);
  stats = new Map([[1, running(0, 0, 0)]]);
  assert.deepEqual((await askJson({})).drain, []);
  assert.deepEqual(limits, [300, 300]);
});

const ACCEPTS = [
  [undefined, "prometheus", "text/plain; version=0.0.4; charset=utf-8"],
  ["*/*", "prometheus", "text/plain; version=0.0.4; charset=utf-8"],
  [
    "application/openmetrics-text;version=1.0.0",
    "openmetrics",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  ],
] as const;
for (const [accept, body, type] of ACCEPTS) {
  test(`GET /metrics with Accept ${accept} answers ${body}`, async () => {
    const headers = accept === undefined ? CALL.headers : { ...CALL.headers, accept };
    const answer = await startRouter().ask({ target: "/metrics", headers });
    assert.equal(answer.headers["Content-Type"], type);
    assert.equal(answer.body, `${body}\n`);
  });
}

test("GET /history hands on the limit, and keeps clock and key digests to itself", async () => {
  const entry: SwitchEntry = {
    epoch: 1,
    from: "v1",
    to: "v2",
    at: "2030-01-01T00:00:00.000Z",
    trigger: "switch",
    forced: false,
    reason: null,
    actor: "loopback",
    duration_ms: 12,
    gate: { outcome: "passed", workers: [] },
    clock: { boot_id: "b", monotonic_ms: 1 },
    idempotency: { key_sha256: "k", body_sha256: "b" },
    prev: "",
    hash: "h",
  };
  const limits: number[] = [];
  const kinds: unknown[] = [];
  const { askJson, ask } = startRouter({
    store: {
      history: (limit, kind) => {
        limits.push(limit);
        kinds.push(kind);
        return [entry];
      },
    },
  });
  const { clock: _clock, idempotency: _idempotency, ...shown } = entry;
  assert.deepEqual(await askJson({ target: "/history" }), { entries: [shown] });
  for (const limit of [1, 1_000]) await ask({ target: `/history?a=b&limit=${limit}` });
  assert.deepEqual(limits, [50, 1, 1_000]);
  for (const limit of ["0", "1001", "-1", "1.5", "", "x", "1e2", "5&limit=6"]) {
    const answer = await ask({ target: `/history?limit=${limit}` });
    assert.equal(answer.status, 400, limit);
  }
  assert.equal(limits.length, 3);
  for (const kind of ["switch", "backends"]) await ask({ target: `/history?kind=${kind}` });
  assert.deepEqual(kinds.slice(3), ["switch", "backends"]);
  for (const query of ["kind=", "kind=all", "kind=switch&kind=backends"]) {
    assert.equal((await ask({ target: `/history?${query}` })).status, 400, query);
  }
});

test("/readyz says why it is not ready, in one line", async () => {
  const { ask } = startRouter({ readiness: () => ({ ready: false, why: "1 of 2 workers listens" }) });
  const answer = await ask({ target: "/readyz" });
  assert.equal(answer.status, 503);
  assert.equal(answer.body, "not ready: 1 of 2 workers listens\n");
  assert.equal((await ask({ target: "/livez" })).body, "ok\n");
});

test("GET /history shows what was done to a backend, and keeps what is in force to itself", async () => {
  const entry: BackendsEntry = {
    epoch: 3,
    trigger: "backends",
    version: "v1",
    backend: "http://10.0.0.1:9000",
    action: "weight",
    weight: 5,
    forced: false,
    reason: "new machine",
    actor: "token:ops",
    at: "2030-01-01T00:00:00.000Z",
    clock: { boot_id: "b", monotonic_ms: 1 },
    in_force: null,
    from_nothing: true,
    changes_sha256: "c",
    prev: "p",
    hash: "h",
  };
  const { askJson } = startRouter({ store: { history: () => [entry] } });
  const { clock: _1, in_force: _2, from_nothing: _3, changes_sha256: _4, ...shown } = entry;
  assert.deepEqual(await askJson({ target: "/history" }), { entries: [shown] });
});

test("POST /backends hands on the checked call and the actor, with the name as the config writes it", async () => {
  const { ask, seen } = startRouter();
  const post = { method: "POST", target: "/backends" };
  const body = '{"version":"v1","backend":"HTTP://Ten.Example:80/","action":"add","weight":3}';
  assert.equal((await ask({ ...post, body })).status, 200);
  const call = {
    version: "v1",
    backend: "http://ten.example",
    action: "add",
    weight: 3,
    reason: null,
    force: false,
  };
  assert.deepEqual(seen, [{ change: call, actor: "loopback" }]);
});

const BAD_CALLS: Record<string, RegExp> = {
  "": /the body is empty/,
  "{}": /version must be the name of a version.*action must be one of add, remove/,
  '{"version":"v1","action":"drain"}': /backend must be the URL of a backend; only reset may leave it out/,
  '{"version":"v1","backend":"10.0.0.1:9000","action":"drain"}': /backend must be a URL.*start with http/,
  '{"version":"v1","backend":"http://a:1/x","action":"drain"}': /leave out the path/,
  '{"version":"v1","backend":"http://a:1","action":"drian"}': /action must be one of/,
  '{"version":"v1","backend":"http://a:1","action":"drain","wieght":1}': /did you mean weight\?/,
  '{"version":"v1","backend":"http://a:1","action":"drain","weight":1}':
    /weight goes with add and weight alone/,
  '{"version":"v1","backend":"http://a:1","action":"weight"}': /weight must be a whole number from 0 to 1000/,
  '{"version":"v1","backend":"http://a:1","action":"weight","weight":1001}': /weight must be a whole number/,
  '{"version":"v1","backend":"http://a:1","action":"weight","weight":1.5}': /weight must be a whole number/,
  '{"version":"v1","backend":"http://a:1","action":"drain","force":true}': /reason must say why/,
  '{"version":"v1","version":"v2","backend":"http://a:1","action":"drain"}': /"version" is there twice/,
};
for (const [body, message] of Object.entries(BAD_CALLS)) {
  test(`POST /backends with ${body || "nothing"} is 400 and says what is wrong`, async () => {
    const { askJson, seen } = startRouter();
    const answer = await askJson({ method: "POST", target: "/backends", body });
    assert.deepEqual([answer.status, answer.code, seen], [400, "MALFORMED_CALL", []]);
    assert.match(answer.message, message);
  });
}

test("GET / lists every call", async () => {
  const { body } = await startRouter().ask({ target: "/" });
  for (const path of Object.keys(ROUTES)) assert.ok(body.includes(path), path);
});
