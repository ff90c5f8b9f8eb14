import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionDesk } from "../../../../src/control-plane/workers/connection-desk.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

test("the limits hold over all workers together", () => {
  const desk = new ConnectionDesk({ total: 3, perClient: 2 });
  assert.deepEqual([desk.enter(1, A), desk.enter(2, A), desk.enter(1, B)], [null, null, null]);
  assert.equal(desk.enter(2, B), "max_connections");
  desk.leave(1, B);
  assert.equal(desk.enter(2, A), "max_connections_per_client");
  assert.equal(desk.enter(2, B), null);
});

test("a worker that is gone holds nothing, and what it still says of leaving is not counted", () => {
  const desk = new ConnectionDesk({ total: 3, perClient: 3 });
  for (const pid of [1, 1, 2]) assert.equal(desk.enter(pid, A), null);
  desk.forget(1);
  desk.leave(1, A);
  assert.deepEqual([desk.enter(3, A), desk.enter(3, A)], [null, null]);
  assert.equal(desk.enter(3, A), "max_connections");
});

test("who never entered takes nothing away by leaving", () => {
  const desk = new ConnectionDesk({ total: 1, perClient: 1 });
  desk.leave(1, A);
  assert.equal(desk.enter(1, A), null);
  desk.leave(1, B);
  desk.leave(2, A);
  assert.equal(desk.enter(1, B), "max_connections");
  desk.leave(1, A);
  assert.equal(desk.enter(1, B), null);
});
