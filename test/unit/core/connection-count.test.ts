import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionCount } from "../../../src/core/connection-count.ts";

const NONE = Number.POSITIVE_INFINITY;

test("as many connections as the limit are let in, whoever they come from; one more is not", () => {
  const count = new ConnectionCount({ total: 3, perClient: NONE });
  for (const address of ["a", "b", "a"]) assert.equal(count.enter(address), null);
  assert.equal(count.enter("c"), "max_connections");
  assert.equal(count.total, 3);
  count.leave("b");
  assert.equal(count.enter("c"), null);
  assert.equal(count.enter("c"), "max_connections");
});

test("a client gets as many as its own limit; others are not in its way", () => {
  const count = new ConnectionCount({ total: NONE, perClient: 2 });
  for (const address of ["a", "a", "b"]) assert.equal(count.enter(address), null);
  assert.equal(count.enter("a"), "max_connections_per_client");
  assert.equal(count.enter("b"), null);
  count.leave("a");
  assert.equal(count.enter("a"), null);
  assert.equal(count.enter("a"), "max_connections_per_client");
  assert.equal(count.total, 4);
});

test("the limit over all is told first, and one that was refused is counted nowhere", () => {
  const count = new ConnectionCount({ total: 2, perClient: 1 });
  assert.equal(count.enter("a"), null);
  for (let i = 0; i < 10; i++) assert.equal(count.enter("a"), "max_connections_per_client");
  assert.equal(count.total, 1);
  assert.equal(count.enter("b"), null);
  for (let i = 0; i < 10; i++) assert.equal(count.enter("a"), "max_connections");
  count.leave("a");
  assert.equal(count.enter("a"), null);
});

test("without limits everybody is let in, and the total is right all the same", () => {
  const count = new ConnectionCount({ total: NONE, perClient: NONE });
  for (let i = 0; i < 1_000; i++) assert.equal(count.enter("a"), null);
  for (let i = 0; i < 999; i++) count.leave("a");
  assert.equal(count.total, 1);
});

test("whoever has left altogether may come back as if never here", () => {
  const count = new ConnectionCount({ total: NONE, perClient: 1 });
  for (let i = 0; i < 100; i++) {
    assert.equal(count.enter(`client ${i % 3}`), null);
    count.leave(`client ${i % 3}`);
  }
  assert.equal(count.total, 0);
});
