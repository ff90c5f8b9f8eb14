/** Backends are added, drained, weighted and removed while the daemon serves, and all of it outlives the daemon. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { readEvents } from "../../support/event-reader.ts";
import { request } from "../../support/http-client.ts";
import { PROBE_PATH, sayName, startPair, trafficOf } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import type { TestProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

const LIMIT = { timeout: 60_000 };
const BURST = 24;

/** v1 is a pool of `a` and `b`; `c` belongs to nobody yet. Requests for /slow wait in `slow`. */
async function startScene(t: TestContext, config: Record<string, unknown> = {}) {
  const slow: ServerResponse[] = [];
  const start = (name: string): Promise<TestBackend> =>
    startBackend(t, (req, res) => {
      if (req.url === "/slow") slow.push(res);
      else sayName(name)(req, res);
    });
  const [a, b, c] = [await start("a"), await start("b"), await start("c")];
  const { proxy, v2 } = await startPair(t, {
    workers: 2,
    config: {
      backends: { v1: { targets: [a.url, b.url] } },
      ...config,
    },
  });
  const change = async (action: string, backend: string | undefined, more: object = {}) => {
    const body = { version: "v1", ...(backend === undefined ? {} : { backend }), action, ...more };
    const reply = await proxy.admin("POST", "/backends", { body });
    return { status: reply.status, ...(reply.json() as unknown as Answer) };
  };
  return { proxy, a, b, c, v2, slow, change };
}

interface Answer {
  readonly changed?: boolean;
  readonly code?: string;
  readonly message: string;
  readonly silent_workers: readonly number[];
  readonly backends: readonly {
    name: string;
    weight: number;
    configured_weight: number | null;
    drained: boolean;
  }[];
}

/** How many of so many requests each backend answered, each on a connection of its own. */
async function shares(proxy: TestProxy): Promise<Record<string, number>> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let sent = 0; sent < BURST; sent++) {
    const { body } = await request(proxy.port, { path: "/" });
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

/** Each worker deals out its own requests evenly: two of them are at most so much beside it. */
const near = (count: number, expected: number): boolean => Math.abs(count - expected) <= 2;

/** Waits until a burst looks like that: workers learn of a change a moment after it was answered. */
async function untilShared(proxy: TestProxy, what: string, isSo: (of: Record<string, number>) => boolean) {
  await waitUntil(what, async () => isSo(await shares(proxy)), { limitMs: 15_000 });
  const again = await shares(proxy);
  assert.ok(isSo(again), `${what}: ${JSON.stringify(again)}`);
}

test("after the answer no request goes to a backend that was drained, on any worker", LIMIT, async (t) => {
  const { proxy, a, change } = await startScene(t);
  for (let round = 0; round < 10; round++) {
    const { status } = await change("drain", a.url);
    assert.equal(status, 200);
    const { a: ofDrained } = await shares(proxy);
    assert.equal(ofDrained, 0, `round ${round}`);
    await change("enable", a.url);
    assert.notEqual((await shares(proxy)).a, 0, `round ${round}`);
  }
});

test("a change is answered when every worker goes by it, one that stood still too", LIMIT, async (t) => {
  const { proxy, a, change } = await startScene(t, { switch: { commit_timeout: "20s" } });
  const [still = 0] = await proxy.workerPids();
  let isAnswered = false;
  const { answer } = await whilePaused([still], async () => {
    const answer = change("drain", a.url).finally(() => {
      isAnswered = true;
    });
    await waitUntil("it is in force", async () => (await poolOf(proxy))[0] === `${a.url} 1 drained`);
    for (let turn = 0; turn < 10; turn++) await poolOf(proxy); // an answer would be here by now
    assert.equal(isAnswered, false);
    return { answer };
  });
  const { status, silent_workers } = await answer;
  assert.deepEqual([status, silent_workers], [200, []]);
});

async function problemsOf(proxy: TestProxy): Promise<string[]> {
  const { state } = (await proxy.status()) as unknown as { state: { problems: string[] } };
  return state.problems;
}

async function poolOf(proxy: TestProxy, headers: Record<string, string> = {}): Promise<string[]> {
  const { versions } = (await proxy.admin("GET", "/backends", { headers })).json() as unknown as {
    versions: { version: string; backends: Answer["backends"] }[];
  };
  const pool = versions.find(({ version }) => version === "v1");
  return (pool?.backends ?? []).map(
    ({ name, weight, drained }) => `${name} ${weight}${drained ? " drained" : ""}`,
  );
}

test(
  "added it takes traffic, drained it ends what it has, weighted, removed: and all of it outlives a restart and kill -9",
  LIMIT,
  async (t) => {
    const { proxy, a, b, c, slow, change } = await startScene(t);
    const reader = await readEvents(t, proxy.adminPort);
    const added = await change("add", c.url, { weight: 1, reason: "more load" });
    assert.deepEqual(
      [
        added.status,
        added.changed,
        added.backends.map(({ name, configured_weight }) => [name, configured_weight]),
      ],
      [
        200,
        true,
        [
          [a.url, 1],
          [b.url, 1],
          [c.url, null],
        ],
      ],
    );
    const { current_backend } = await proxy.status();
    assert.equal(current_backend, [a.url, b.url, c.url].join(", "));
    await untilShared(proxy, "c takes a third of the traffic", ({ c = 0 }) => near(c, BURST / 3));
    const { data: told } = await reader.waitFor("backends");
    assert.deepEqual(
      [told.version, told.backend, told.action, told.actor, told.reason],
      ["v1", c.url, "add", "loopback", "more load"],
    );

    // All that a and c answer is out of the way: what waits on b was sent there.
    const running = [1, 2, 3, 4, 5, 6].map(() => request(proxy.port, { path: "/slow" }));
    await waitUntil("six requests wait", () => slow.length === 6);
    const onB = b.requests.filter(({ url }) => url === "/slow").length;
    assert.ok(onB > 0, "one of them is on b");
    assert.equal((await change("drain", b.url)).changed, true);
    await untilShared(proxy, "b takes nothing new", ({ b = 0 }) => b === 0);
    for (const res of slow) res.end("late");
    for (const reply of await Promise.all(running))
      assert.deepEqual([reply.status, reply.body], [200, "late"]);

    await proxy.restart();
    assert.deepEqual(await poolOf(proxy), [`${a.url} 1`, `${b.url} 1 drained`, `${c.url} 1`]);
    await untilShared(proxy, "half and half", ({ a = 0, b = 0 }) => near(a, BURST / 2) && b === 0);

    assert.equal((await change("weight", c.url, { weight: 0 })).changed, true);
    await proxy.restart("SIGKILL");
    await untilShared(proxy, "a alone", ({ a: ofA = 0 }) => ofA === BURST);

    assert.equal((await change("enable", b.url)).changed, true);
    assert.equal((await change("remove", c.url)).changed, true);
    assert.equal((await change("remove", a.url)).changed, true);
    await proxy.restart("SIGKILL");
    assert.deepEqual(await poolOf(proxy), [`${b.url} 1`]);
    await untilShared(proxy, "b alone", ({ b = 0 }) => b === BURST);

    assert.equal((await change("reset", undefined)).changed, true);
    assert.deepEqual(await poolOf(proxy), [`${a.url} 1`, `${b.url} 1`]);
    await untilShared(
      proxy,
      "as in the config",
      ({ a = 0, b = 0 }) => near(a, BURST / 2) && near(b, BURST / 2),
    );
    const { entries } = (await proxy.admin("GET", "/history?kind=backends")).json() as unknown as {
      entries: { action: string; epoch: number }[];
    };
    assert.deepEqual(
      entries.map(({ action }) => action),
      ["reset", "remove", "remove", "enable", "weight", "drain", "add"],
    );
    assert.deepEqual(await problemsOf(proxy), []);
  },
);

test("a call that changes nothing is 200, changed: false, and writes nothing", LIMIT, async (t) => {
  const { proxy, b, c, change } = await startScene(t);
  await change("drain", b.url);
  await change("add", c.url);
  await change("remove", c.url);
  const file = await readFile(join(proxy.stateDir, ".history.jsonl"), "utf8");
  for (const [action, backend] of [
    ["drain", b.url],
    ["remove", c.url],
  ] as const) {
    const { status, changed } = await change(action, backend);
    assert.deepEqual([status, changed], [200, false], action);
  }
  assert.equal(await readFile(join(proxy.stateDir, ".history.jsonl"), "utf8"), file);
});

test(
  "what would leave nobody to take traffic is refused, and force goes no further than the very last one",
  LIMIT,
  async (t) => {
    const { a, b, change } = await startScene(t);
    const refused = async (...call: Parameters<typeof change>) => {
      const { status, code } = await change(...call);
      return `${status} ${code}`;
    };
    assert.equal(await refused("drain", "http://127.0.0.1:1"), "404 UNKNOWN_BACKEND");
    await change("drain", a.url);
    for (const [action, more] of [
      ["drain", {}],
      ["remove", {}],
      ["weight", { weight: 0 }],
    ] as const) {
      assert.equal(await refused(action, b.url, more), "409 LAST_BACKEND", action);
    }
    assert.equal((await change("weight", b.url, { weight: 0, force: true, reason: "all off" })).status, 200);
    assert.equal((await change("remove", b.url)).status, 200, "it takes nothing any more");
    assert.equal(await refused("remove", a.url, { force: true, reason: "all off" }), "409 LAST_BACKEND");
    assert.equal((await change("enable", a.url)).status, 200);
  },
);

test(
  "while a switch is on its way a change is 409; in the drain after it, and on a standby version, it is done",
  LIMIT,
  async (t) => {
    const { proxy, a, b, v2, c, change } = await startScene(t);
    const probes: ServerResponse[] = [];
    v2.server.removeAllListeners("request");
    v2.server.on("request", (req, res: ServerResponse) => {
      req.resume();
      if (req.url === PROBE_PATH) probes.push(res);
      else res.end("v2");
    });
    const switching = proxy.switchTo("v2");
    await waitUntil("the gate probes", () => probes.length > 0);
    const { status, code } = await change("drain", b.url);
    assert.deepEqual([status, code], [409, "SWITCH_IN_PROGRESS"]);
    v2.server.removeAllListeners("request");
    v2.server.on("request", sayName("v2"));
    for (const res of probes) res.end();
    await switching;
    assert.equal((await change("drain", b.url)).status, 200);
    const other = await proxy.admin("POST", "/backends", {
      body: { version: "v2", backend: c.url, action: "add" },
    });
    assert.equal(other.status, 200);
    await untilShared(
      proxy,
      "v2 and c share",
      ({ v2 = 0, c = 0 }) => near(v2, BURST / 2) && near(c, BURST / 2),
    );
    await proxy.admin("POST", "/rollback", { body: {} });
    await untilShared(proxy, "a alone of v1", ({ a: ofA = 0 }) => ofA === BURST);
    assert.ok(trafficOf(a).length > 0);
  },
);

test(
  "a state that was lost is made anew from the history, and one that cannot be is told",
  LIMIT,
  async (t) => {
    const { proxy, a, b, change } = await startScene(t);
    await change("drain", b.url);
    await proxy.stop();
    const file = join(proxy.stateDir, ".backends.json");
    await writeFile(file, "?");
    proxy.start();
    await proxy.waitReady();
    assert.deepEqual(await poolOf(proxy), [`${a.url} 1`, `${b.url} 1 drained`]);
    await proxy.stop();
    await writeFile(file, "?");
    await rm(join(proxy.stateDir, ".history.jsonl"));
    proxy.start();
    await proxy.waitReady();
    assert.deepEqual(await poolOf(proxy), [`${a.url} 1`, `${b.url} 1`]);
    assert.match(
      (await problemsOf(proxy)).join(),
      /\.backends\.json is not what this release writes; the config's backends are used/,
    );
  },
);

test(
  "a token of the role switch may drain, enable and weight, and neither change what there is nor force",
  LIMIT,
  async (t) => {
    const token = "a-token-that-may-switch";
    const tokens = [{ name: "ci", role: "switch", token }];
    const { proxy, a, b, c } = await startScene(t, { admin: { tokens } });
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await proxy.admin("GET", "/backends", { headers })).status, 200);
    const send = async (action: string, backend: string, more: object = {}) => {
      const body = { version: "v1", backend, action, ...more };
      const reply = await proxy.admin("POST", "/backends", { headers, body });
      const { message } = reply.json() as { message: string };
      return reply.status === 200 ? "200" : `${reply.status} ${message}`;
    };
    for (const [action, backend] of [
      ["add", c.url],
      ["remove", b.url],
      ["reset", b.url],
    ] as const) {
      const refused = `403 the action ${action} needs the role admin; token:ci has the role switch`;
      assert.equal(await send(action, backend), refused);
    }
    assert.equal(await send("drain", b.url), "200");
    assert.deepEqual(await poolOf(proxy, headers), [`${a.url} 1`, `${b.url} 1 drained`]);
    assert.match(await send("drain", a.url), /^409 /);
    const force = { force: true, reason: "all of them" };
    assert.match(await send("drain", a.url, force), /^403 force needs the role admin/);
    assert.equal(await send("enable", b.url), "200");
    assert.equal(await send("weight", b.url, { weight: 3 }), "200");
    assert.deepEqual(await poolOf(proxy, headers), [`${a.url} 1`, `${b.url} 3`]);
  },
);
