import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningRequest } from "../../../../src/data-plane/backend/running-requests.ts";
import { RunningRequests } from "../../../../src/data-plane/backend/running-requests.ts";

function running(): RunningRequest {
  return { place: 0, checkTimeLimits: () => {}, cutForDrain: () => {} };
}

function contents(requests: RunningRequests): Set<RunningRequest> {
  const found = new Set<RunningRequest>();
  requests.each((request) => found.add(request));
  return found;
}

test("whatever comes and goes, exactly those that have not left are there", () => {
  const requests = new RunningRequests();
  const there = new Set<RunningRequest>();
  for (let step = 0; step < 1_000; step++) {
    const leaves = step % 3 === 2 ? [...there][(step * 7) % there.size] : undefined;
    if (leaves !== undefined) {
      requests.delete(leaves);
      there.delete(leaves);
    } else {
      const comes = running();
      requests.add(comes);
      there.add(comes);
    }
    assert.equal(requests.size, there.size);
  }
  assert.deepEqual(contents(requests), there);
});

test("one that has left already, or was never there, takes no other one along", () => {
  const requests = new RunningRequests();
  const [first, second, stranger] = [running(), running(), running()];
  requests.add(first);
  requests.add(second);
  requests.delete(first);
  requests.delete(first);
  requests.delete(stranger);
  assert.deepEqual(contents(requests), new Set([second]));
});

test("each is visited when every one leaves as it is visited", () => {
  const requests = new RunningRequests();
  const all = Array.from({ length: 10 }, running);
  for (const request of all) requests.add(request);
  const visited = new Set<RunningRequest>();
  requests.each((request) => {
    visited.add(request);
    requests.delete(request);
  });
  assert.equal(visited.size, 10);
  assert.equal(requests.size, 0);
});
