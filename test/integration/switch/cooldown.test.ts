/** The cool-down: the least time between two switches, over restarts and crashes; what starts one and what passes by it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freePort } from "../../support/free-port.ts";
import type { Reply } from "../../support/http-client.ts";
import { probesOf, startPair } from "../../support/pair.ts";
import { settableWallClock } from "../../support/wall-clock.ts";

const MIN_INTERVAL_SECONDS = 600;

// In the order of the story: nothing was switched yet, then one switch, then what is still allowed.
const { v1, v2, proxy } = await startPair(
  { after },
  {
    config: {
      backends: { dead: `http://127.0.0.1:${await freePort()}` },
      switch: { min_interval: "10m" },
    },
  },
);

const post = (path: string, body: object): Promise<Reply> =>
  proxy.admin("POST", path, { body: { ...body }, limitMs: 20_000 });

async function cooldownSeconds(): Promise<number> {
  return (await proxy.status()).cooldown_remaining_seconds;
}

/** Not rounded, as the metric has it. */
async function preciseCooldownSeconds(): Promise<number> {
  const { body } = await proxy.admin("GET", "/metrics");
  return Number(/^traffic_switching_switch_cooldown_remaining_seconds (\S+)$/m.exec(body)?.[1]);
}

async function assertCoolingDown(): Promise<void> {
  const { epoch, current_version: active } = await proxy.status();
  const probes = probesOf(v1).length + probesOf(v2).length;
  const reply = await post("/switch", { version: active === "v1" ? "v2" : "v1" });
  assert.equal(reply.status, 429, reply.body);
  const retryAfter = Number(reply.headers["retry-after"]);
  assert.ok(Number.isInteger(retryAfter) && retryAfter > 0 && retryAfter <= MIN_INTERVAL_SECONDS);
  assert.equal(reply.json().code, "SWITCH_COOLING_DOWN");
  assert.equal(reply.json().success, false);
  assert.equal(
    probesOf(v1).length + probesOf(v2).length,
    probes,
    "nobody is probed for a call that cannot pass",
  );
  assert.equal((await proxy.status()).epoch, epoch);
}

test("no-ops, refusals, unknown versions and dry runs start no cool-down", { timeout: 20_000 }, async () => {
  assert.equal(await cooldownSeconds(), 0);
  assert.equal((await post("/switch", { version: "v1" })).json().changed, false);
  assert.equal((await post("/switch", { version: "v9" })).status, 404);
  assert.equal((await post("/switch", { version: "dead" })).status, 422);
  assert.equal((await post("/switch", { version: "v2", expect: { epoch: 7 } })).status, 412);
  assert.equal((await post("/switch", { version: "v2", dry_run: true })).json().verdict, "would_switch");
  assert.equal((await post("/rollback", {})).status, 409);
  assert.equal(await cooldownSeconds(), 0);
});

test("a second switch within min_interval is 429 with Retry-After, and /status counts the seconds", {
  timeout: 20_000,
}, async () => {
  await proxy.switchTo("v2");
  const seconds = await cooldownSeconds();
  assert.ok(seconds > MIN_INTERVAL_SECONDS - 20 && seconds <= MIN_INTERVAL_SECONDS, `${seconds} s`);
  await assertCoolingDown();
});

test("during the cool-down a version that is active already is 200, and an unknown one 404", {
  timeout: 20_000,
}, async () => {
  const seconds = await cooldownSeconds();
  assert.equal((await post("/switch", { version: "v2" })).json().changed, false);
  assert.equal((await post("/switch", { version: "v9" })).status, 404);
  assert.equal((await post("/switch", { version: "v1", expect: { version: "v1" } })).status, 412);
  assert.ok((await cooldownSeconds()) <= seconds, "it was started anew");
});

test("a dry run during the cool-down says that it would be refused, with how long", {
  timeout: 20_000,
}, async () => {
  const reply = await post("/switch", { version: "v1", dry_run: true });
  assert.equal(reply.status, 200);
  const body = reply.json();
  assert.deepEqual(
    [body.success, body.dry_run, body.verdict, body.code],
    [true, true, "would_refuse", "SWITCH_COOLING_DOWN"],
  );
  assert.ok(Number(body.cooldown_remaining_seconds) > 0);
});

test("the cool-down survives a restart", { timeout: 40_000 }, async () => {
  const before = await cooldownSeconds();
  await proxy.restart();
  const seconds = await cooldownSeconds();
  assert.ok(seconds > 0 && seconds <= before, `${before} s before, ${seconds} s after`);
  await assertCoolingDown();
});

test("the cool-down survives kill -9", { timeout: 40_000 }, async () => {
  const before = await cooldownSeconds();
  await proxy.restart("SIGKILL");
  const seconds = await cooldownSeconds();
  assert.ok(seconds > 0 && seconds <= before, `${before} s before, ${seconds} s after`);
  await assertCoolingDown();
});

test("a rollback is never refused by the cool-down, and starts one", { timeout: 20_000 }, async () => {
  const before = await preciseCooldownSeconds();
  const reply = await post("/rollback", {});
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.json().version, "v1");
  assert.ok((await preciseCooldownSeconds()) > before, "the next switch is measured from the rollback");
  await assertCoolingDown();
});

test("force with a reason passes by the cool-down", { timeout: 20_000 }, async () => {
  const reply = await post("/switch", { version: "v2", force: true, reason: "the release must go out" });
  assert.equal(reply.status, 200, reply.body);
  assert.equal((await proxy.status()).current_version, "v2");
  await assertCoolingDown();
});

test("when min_interval has passed the next switch is allowed", { timeout: 40_000 }, async (t) => {
  const pair = await startPair(t, { config: { switch: { min_interval: "1s" } } });
  await pair.proxy.switchTo("v2");
  const refused = await pair.proxy.admin("POST", "/switch", { body: { version: "v1" } });
  assert.equal(refused.status, 429);
  assert.equal(refused.headers["retry-after"], "1");
  // Exactly what the answer asks for is enough.
  await new Promise((resolve) => setTimeout(resolve, Number(refused.headers["retry-after"]) * 1_000));
  await pair.proxy.switchTo("v1");
});

test("the cool-down is not moved by a wall clock that is set, nor over a restart", {
  timeout: 60_000,
}, async (t) => {
  const wall = await settableWallClock(t);
  const { proxy: daemon } = await startPair(t, {
    config: { switch: { min_interval: "10m" } },
    env: wall.env,
  });
  await daemon.switchTo("v2");
  const begunAtMs = performance.now();
  const assertUnmoved = async (what: string): Promise<void> => {
    const seconds = (await daemon.status()).cooldown_remaining_seconds;
    const passed = (performance.now() - begunAtMs) / 1_000;
    assert.ok(
      Math.abs(MIN_INTERVAL_SECONDS - passed - seconds) < 5,
      `${what}: ${seconds} s after ${passed} s`,
    );
    assert.equal((await daemon.admin("POST", "/switch", { body: { version: "v1" } })).status, 429, what);
  };
  const DAY_MS = 86_400_000;
  for (const ms of [DAY_MS, -DAY_MS]) {
    wall.shift(ms);
    const { timestamp } = (
      await daemon.admin("GET", "/metrics", { headers: { accept: "application/json" } })
    ).json();
    assert.ok(Math.abs(Number(timestamp) * 1_000 - Date.now() - ms) < 30_000, "the clock was set");
    await assertUnmoved(`set by ${ms} ms`);
    await daemon.restart("SIGKILL");
    await assertUnmoved(`set by ${ms} ms, and started again`);
  }
});
