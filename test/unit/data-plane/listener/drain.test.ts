import assert from "node:assert/strict";
import { test } from "node:test";
import { Backend } from "../../../../src/data-plane/backend/backend.ts";
import { Drains } from "../../../../src/data-plane/listener/drain.ts";

function startRunning(requests: number, tunnels: number) {
  const backend = new Backend("v1", "http://h:1", 0);
  const cut: string[] = [];
  for (let i = 0; i < requests; i++) {
    backend.requests.add({
      place: 0,
      cutForDrain: () => cut.push(`request ${i}`),
      checkTimeLimits: () => {},
    });
  }
  for (let i = 0; i < tunnels; i++) {
    const tunnel = {
      cutForDrain: () => {
        cut.push(`tunnel ${i}`);
        backend.tunnels.delete(tunnel);
      },
    };
    backend.tunnels.add(tunnel);
  }
  return { backend, cut };
}

test("requests run until the deadline; tunnels end one by one over their window", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { backend, cut } = startRunning(1, 4);
  new Drains().start(backend, { deadlineMs: 1_000, websocketWindowMs: 400 });
  t.mock.timers.tick(99);
  assert.deepEqual(cut, []);
  for (const [ms, last] of [
    [1, "tunnel 0"],
    [100, "tunnel 1"],
    [100, "tunnel 2"],
    [100, "tunnel 3"],
  ] as const) {
    t.mock.timers.tick(ms);
    assert.equal(cut.at(-1), last);
  }
  t.mock.timers.tick(599);
  assert.equal(cut.length, 4);
  t.mock.timers.tick(1);
  assert.deepEqual(cut.slice(4), ["request 0"]);
});

test("a request that became a tunnel after the window began is cut at the deadline", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { backend, cut } = startRunning(0, 0);
  new Drains().start(backend, { deadlineMs: 100, websocketWindowMs: 100 });
  backend.tunnels.add({ cutForDrain: () => cut.push("late") });
  t.mock.timers.tick(100);
  assert.deepEqual(cut, ["late"]);
});

test("a drain that is called off cuts nothing, and one that is started over counts from then", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { backend, cut } = startRunning(1, 1);
  const drains = new Drains();
  drains.start(backend, { deadlineMs: 100, websocketWindowMs: 100 });
  t.mock.timers.tick(90);
  drains.start(backend, { deadlineMs: 100, websocketWindowMs: 100 });
  t.mock.timers.tick(90);
  assert.deepEqual(cut, []);
  drains.cancel(backend);
  drains.cancel(backend);
  t.mock.timers.tick(10_000);
  assert.deepEqual(cut, []);
});

test("a deadline of 0 cuts at once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { backend, cut } = startRunning(1, 1);
  new Drains().start(backend, { deadlineMs: 0, websocketWindowMs: 0 });
  t.mock.timers.tick(1);
  assert.deepEqual(cut, ["tunnel 0", "request 0"]);
});
