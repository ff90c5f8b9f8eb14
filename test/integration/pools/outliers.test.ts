/** Backends that fail are taken out by their answers to real traffic, and come back when they are sound. */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { type TestContext, test } from "node:test";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { request } from "../../support/http-client.ts";
import { type LogLine, startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };
const OUTLIER = { window: 100, error_ratio: 0.5, min_requests: 20, eject_for: "1s", max_ejected_ratio: 0.5 };
const BREAKER = { consecutive_failures: 5, open_for: "1s", half_open_requests: 2 };

/** Answers with what `status` is at the time. */
interface Switchable {
  readonly backend: TestBackend;
  status: number;
}

async function startSwitchable(t: TestContext): Promise<Switchable> {
  const answer: RequestListener = (_req, res) =>
    res.writeHead(switchable.status).end(String(switchable.status));
  const switchable: Switchable = {
    backend: await startBackend(t, (req, res) => answer(req, res)),
    status: 200,
  };
  return switchable;
}

/** `more` is laid over the pool of v1. */
async function startPool(t: TestContext, backends: readonly TestBackend[], more: object): Promise<TestProxy> {
  const spare = await startBackend(t);
  const pool = { targets: backends.map(({ url }) => ({ url })), ...more };
  return await startProxy(t, {
    v1: spare.url,
    v2: spare.url,
    config: { backends: { v1: pool, v2: spare.url } },
  });
}

async function statuses(proxy: TestProxy, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await request(proxy.port)).status);
  return all;
}

const says =
  (text: string, backend: TestBackend) =>
  (line: LogLine): boolean =>
    line.msg?.includes(text) === true && line.backend === backend.url;

test(
  "one of three that answers every other request with 500 is out within two windows, and the others serve on",
  limit,
  async (t) => {
    let asked = 0;
    const bad = await startBackend(t, (_req, res) => res.writeHead(asked++ % 2 === 0 ? 500 : 200).end());
    const [one, other] = [await startBackend(t), await startBackend(t)];
    const proxy = await startPool(t, [bad, one, other], { outlier: { ...OUTLIER, eject_for: "10m" } });
    const seen = await statuses(proxy, 600);
    assert.ok(asked <= 200, `it was asked ${asked} times`);
    assert.ok(asked >= 20, `it was asked ${asked} times`);
    assert.deepEqual(new Set(seen.slice(-100)), new Set([200]));
    await proxy.waitForLog(says("backend ejected", bad));
  },
);

test("an ejected backend is tried after eject_for, and restored when it is sound", limit, async (t) => {
  const [bad, good] = [await startSwitchable(t), await startSwitchable(t)];
  const proxy = await startPool(t, [bad.backend, good.backend], { outlier: OUTLIER });
  bad.status = 503;
  await statuses(proxy, 80);
  await proxy.waitForLog(says("backend ejected", bad.backend));
  const askedBefore = bad.backend.requests.length;
  assert.deepEqual(new Set(await statuses(proxy, 20)), new Set([200]));
  assert.equal(bad.backend.requests.length, askedBefore);
  bad.status = 200;
  await proxy.waitForLog(says("backend on trial", bad.backend));
  await waitUntil("it is restored", async () => {
    await statuses(proxy, 4);
    return proxy.logs().some(says("backend restored", bad.backend));
  });
  const askedAfter = bad.backend.requests.length;
  await statuses(proxy, 20);
  assert.equal(bad.backend.requests.length - askedAfter, 10, "its share is whole");
});

test("when both of two fail one stays: max_ejected_ratio holds", limit, async (t) => {
  const [one, other] = [await startSwitchable(t), await startSwitchable(t)];
  const proxy = await startPool(t, [one.backend, other.backend], {
    outlier: { ...OUTLIER, eject_for: "10m" },
  });
  one.status = 500;
  other.status = 500;
  assert.deepEqual(
    new Set(await statuses(proxy, 200)),
    new Set([500]),
    "the backends' own answers, none of ours",
  );
  assert.equal(proxy.logs().filter(({ msg }) => msg?.startsWith("backend ejected")).length, 1);
});

test("4xx answers and clients that leave eject nobody", limit, async (t) => {
  const [one, other] = [
    await startSwitchable(t),
    await startBackend(t, (req, res) => void (req.url === "/wait" || res.end())),
  ];
  one.status = 404;
  const proxy = await startPool(t, [one.backend, other], { outlier: OUTLIER, breaker: BREAKER });
  for (let i = 0; i < 60; i++) {
    const seen = Promise.race([other.requestSeen(), one.backend.requestSeen()]);
    const client = await openRaw(proxy.port, { t });
    client.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    await seen;
    client.destroy();
  }
  const seen = await statuses(proxy, 20);
  assert.deepEqual(
    [seen.filter((status) => status === 404).length, seen.filter((status) => status === 200).length],
    [10, 10],
  );
  assert.deepEqual(
    proxy.logs().filter(({ msg, backend }) => backend !== undefined && !/^requests? failed$/.test(msg ?? "")),
    [],
  );
});

test(
  "the breaker of the only backend opens: requests are refused at once, until it is sound again",
  limit,
  async (t) => {
    const only = await startSwitchable(t);
    const proxy = await startPool(t, [only.backend], { breaker: BREAKER });
    only.status = 500;
    assert.deepEqual(await statuses(proxy, 7), [500, 500, 500, 500, 500, 503, 503]);
    const refused = await request(proxy.port);
    assert.equal(refused.json().code, "NO_BACKEND_AVAILABLE");
    assert.equal(only.backend.requests.length, 5);
    await proxy.waitForLog(says("breaker half-open", only.backend));
    assert.deepEqual(await statuses(proxy, 2), [500, 503], "one bad request opens it again");
    only.status = 200;
    await waitUntil("it is closed", async () => {
      await statuses(proxy, 1);
      return proxy.logs().some(says("breaker closed", only.backend));
    });
    assert.deepEqual(new Set(await statuses(proxy, 20)), new Set([200]));
  },
);
