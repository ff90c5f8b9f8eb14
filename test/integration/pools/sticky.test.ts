/** A client that was tied to a backend by its cookie, seen from outside. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { startProxy } from "../../support/proxy.ts";

const limit = { timeout: 60_000 };

async function startSticky(t: TestContext) {
  const start = (name: string) => startBackend(t, (_req, res) => res.end(name));
  const [a, b, c, v2] = [await start("a"), await start("b"), await start("c"), await start("v2")];
  const sticky = { secret: "0123456789abcdef", max_age: "1h" };
  const targets = [a.url, b.url, c.url];
  const proxy = await startProxy(t, {
    v1: a.url,
    v2: v2.url,
    workers: 2,
    config: { backends: { v1: { targets, sticky }, v2: { targets: [v2.url], sticky } } },
  });
  const get = async (cookie?: string) => {
    const answer = await fetch(proxy.url, { headers: cookie === undefined ? {} : { cookie } });
    const [line] = answer.headers.getSetCookie();
    return { backend: await answer.text(), line, cookie: line?.split(";", 1)[0] ?? "" };
  };
  const backends: Record<string, TestBackend> = { a, b, c };
  return { proxy, get, backends };
}

test(
  "a client stays on the backend of its first answer, on every worker, and is told so once",
  limit,
  async (t) => {
    const { get } = await startSticky(t);
    const seen = new Set<string>();
    for (let client = 0; client < 6; client++) {
      const first = await get();
      assert.match(first.line ?? "", /^ts_backend=[\w-]{22}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/);
      seen.add(first.backend);
      for (let i = 0; i < 6; i++) {
        const again = await get(first.cookie);
        assert.deepEqual([again.backend, again.line], [first.backend, undefined]);
      }
    }
    assert.equal(seen.size, 3, "clients without a cookie are spread");
  },
);

test("when its backend is gone a client is served by another one, and stays there", limit, async (t) => {
  const { get, backends } = await startSticky(t);
  const first = await get();
  const gone = backends[first.backend];
  gone?.server.close();
  gone?.server.closeAllConnections();
  const next = await get(first.cookie);
  assert.notEqual(next.backend, first.backend);
  for (let i = 0; i < 6; i++) assert.equal((await get(next.cookie)).backend, next.backend);
});

test("a client whose backend is drained is served by another one, with a new cookie", limit, async (t) => {
  const { proxy, get, backends } = await startSticky(t);
  const first = await get();
  const change = async (action: string): Promise<void> => {
    const body = { version: "v1", backend: backends[first.backend]?.url, action };
    assert.equal((await proxy.admin("POST", "/backends", { body })).status, 200);
  };
  await change("drain");
  const next = await get(first.cookie);
  assert.notEqual(next.backend, first.backend);
  assert.match(next.line ?? "", /^ts_backend=/);
  await change("enable");
  for (const { backend, cookie } of [first, next]) assert.equal((await get(cookie)).backend, backend);
});

test("a switch ends it, and so does the switch back; a restart does not", limit, async (t) => {
  const { proxy, get } = await startSticky(t);
  const before = await get();
  await proxy.switchTo("v2");
  const during = await get(before.cookie);
  assert.deepEqual([during.backend, during.line !== undefined], ["v2", true]);
  await proxy.switchTo("v1");
  const after = await get(before.cookie);
  assert.equal(after.line !== undefined, true, "the old cookie names nothing");
  await proxy.stop();
  proxy.start();
  await proxy.waitReady();
  assert.deepEqual(await get(after.cookie), { backend: after.backend, line: undefined, cookie: "" });
});
