/** Pools whose backends die, hang or fail: what the clients of a real daemon notice of it. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startBackend } from "../../support/backend.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { type Load, startLoad } from "../../support/load-driver.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const limit = { timeout: 90_000 };
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const CHILD = fileURLToPath(new URL(`./pool-backend-child${EXTENSION}`, import.meta.url));
const CLIENTS = 64;

interface Member {
  readonly url: string;
  readonly process: ChildProcess;
}

async function startMember(t: TestContext, delayMs: number): Promise<Member> {
  const child = fork(CHILD, [String(delayMs)], { execArgv: [] });
  onTestEnd(t, () => void child.kill("SIGKILL"));
  const [told] = await withLimit(once(child, "message"), 10_000, "the backend's port");
  return { url: `http://127.0.0.1:${(told as { port: number }).port}`, process: child };
}

async function kill({ process }: Member): Promise<void> {
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  await withLimit(exited, 5_000, "the killed backend to be gone");
}

/** The daemon in front of a pool of these; the other version is never used. */
async function startPool(
  t: TestContext,
  urls: readonly string[],
  upstream: Record<string, unknown>,
  workers = 1,
): Promise<TestProxy> {
  const [first = ""] = urls;
  return await startProxy(t, {
    v1: first,
    v2: first,
    workers,
    config: { backends: { v1: { targets: urls } }, upstream },
  });
}

async function metric(proxy: TestProxy, sample: string): Promise<number> {
  const { body } = await proxy.admin("GET", "/metrics");
  const line = body.split("\n").find((each) => each.startsWith(`traffic_switching_${sample} `));
  assert.ok(line, sample);
  return Number(line.split(" ")[1]);
}

/** Three backends as processes, and clients that each send one request after another over a connection of their own. */
async function startLoaded(
  t: TestContext,
  upstream: Record<string, unknown>,
  count: number,
  delayMs: number,
) {
  const members = await Promise.all([1, 2, 3].map(() => startMember(t, delayMs)));
  const proxy = await startPool(
    t,
    members.map(({ url }) => url),
    upstream,
    2,
  );
  const clients = Array.from({ length: count }, () => startLoad(t, proxy.port, { keptAlive: 1, short: 0 }));
  const total = () => clients.reduce((sum, { results }) => sum + results.length, 0);
  const more = async (wanted: number): Promise<void> => {
    const from = total();
    await waitUntil(`${wanted} more answers`, () => total() >= from + wanted, { limitMs: 60_000 });
  };
  return { members, proxy, clients, more };
}

const failuresOf = (clients: readonly Load[]) => clients.flatMap((client) => client.failures());

test("kill -9 of one of three backends under load: nobody notices, with one retry", limit, async (t) => {
  const { members, proxy, clients, more } = await startLoaded(t, {}, CLIENTS, 5);
  await more(4_000);
  const [first] = members;
  assert.ok(first);
  await kill(first);
  await more(2_000);
  for (const client of clients) await client.stop();
  assert.deepEqual(failuresOf(clients), []);
  assert.ok((await metric(proxy, "upstream_retries_total")) > 0, "nothing ran on it");
});

test("without retries a client loses one request at most, and none after it", limit, async (t) => {
  const { members, clients, more } = await startLoaded(t, { retries: 0 }, CLIENTS, 5);
  await more(4_000);
  const [first] = members;
  assert.ok(first);
  await kill(first);
  await more(2_000);
  const killedAtMs = performance.now();
  await more(2_000);
  for (const client of clients) await client.stop();
  for (const client of clients) assert.ok(client.failures().length <= 1, JSON.stringify(client.failures()));
  assert.ok(failuresOf(clients).length > 0, "nothing ran on it");
  assert.deepEqual(
    failuresOf(clients).filter(({ startedAtMs }) => startedAtMs > killedAtMs),
    [],
  );
});

test(
  "one of three backends is killed with 1,000 requests in flight: the budget is enough for all",
  limit,
  async (t) => {
    const { members, clients, more } = await startLoaded(t, {}, 1_000, 200);
    await more(6_000); // a fifth of them is saved up
    const [first] = members;
    assert.ok(first);
    await kill(first);
    await more(2_000);
    await Promise.all(clients.map((client) => client.stop()));
    assert.deepEqual(failuresOf(clients), []);
  },
);

test(
  "POST: what a dying backend had got is lost, and what it had not got goes to another one",
  limit,
  async (t) => {
    const dying = await startBackend(t, () => {});
    const other = await startBackend(t, (req, res) => {
      req.resume().on("end", () => res.end(req.headers["x-attempt-count"] ?? "1"));
    });
    const proxy = await startPool(t, [dying.url, other.url], {
      retries: 3,
      retry_on: ["connect-failure", "closed", "5xx"],
    });
    const post = (path: string) => request(proxy.port, { method: "POST", path, body: "hello" });
    const early = Array.from({ length: 8 }, (_, i) => post(`/early-${i}`));
    await waitUntil("all have come", () => dying.requests.length + other.requests.length === early.length);
    const lost = dying.requests.map(({ url }) => url);
    assert.equal(lost.length, 4);
    await dying.close();
    const statuses = (await Promise.all(early)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 200, 200, 200, 502, 502, 502, 502]);
    for (let i = 0; i < 20; i++) assert.equal((await post("/late")).status, 200);
    const twice = other.requests.filter(({ url }) => lost.includes(url));
    assert.deepEqual(twice, []);
  },
);

test(
  "a POST whose backend takes no connection arrives at another one, whole, as attempt 2",
  limit,
  async (t) => {
    const bodies: string[] = [];
    const other = await startBackend(t, (req, res) => {
      let body = "";
      req.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      req.on("end", () => {
        bodies.push(body);
        res.end(req.headers["x-attempt-count"] ?? "1");
      });
    });
    const proxy = await startPool(t, [`http://127.0.0.1:${await freePort()}`, other.url], {});
    const answers: string[] = [];
    for (let i = 0; i < 4; i++) {
      const headers = { "X-Attempt-Count": "9" };
      answers.push((await request(proxy.port, { method: "POST", headers, body: "hello" })).body);
    }
    assert.deepEqual(
      answers.filter((each) => each !== "1"),
      ["2"],
    );
    assert.deepEqual(bodies, ["hello", "hello", "hello", "hello"]);
    assert.equal(await metric(proxy, "upstream_retries_total"), 1);
  },
);

test("a backend that answers 503, or not at all, costs its clients nothing but time", limit, async (t) => {
  const busy = await startBackend(t, (_req, res) => void res.writeHead(503).end("busy"));
  const silent = await startBackend(t, () => {});
  const well = await startBackend(t);
  const proxy = await startPool(t, [busy.url, silent.url, well.url], {
    retries: 2,
    retry_on: ["response-timeout", 503],
    per_try_timeout: "200ms",
    retry_budget: 1,
  });
  for (let i = 0; i < 9; i++) {
    const { status, body } = await request(proxy.port, { method: "GET" });
    assert.deepEqual([status, body], [200, "ok"]);
  }
  const count = (reason: string) => metric(proxy, `upstream_errors_total{version="v1",reason="${reason}"}`);
  assert.equal(await count("retried_status"), busy.requests.length);
  assert.equal(await count("backend_response_timeout"), silent.requests.length);
  assert.equal(await metric(proxy, "upstream_retries_total"), busy.requests.length + silent.requests.length);
});
