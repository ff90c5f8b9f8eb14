/** What a worker is told of the backends when it does not read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import type { PoolsSnapshot } from "../../../../src/config/snapshot.ts";
import { PoolsPost } from "../../../../src/control-plane/workers/pools-post.ts";

const pools = (revision: number): PoolsSnapshot => ({ revision, pools: [] });

test("a worker that hangs is sent a few revisions, and the newest one alone when it reads again", async () => {
  const sent: number[] = [];
  const reads: (() => void)[] = [];
  const post = new PoolsPost(({ revision }) => {
    sent.push(revision);
    return new Promise((resolve) => reads.push(resolve));
  });
  for (let revision = 1; revision <= 1_000; revision++) post.tell(pools(revision));
  assert.deepEqual(sent, [1, 2, 3, 4, 5, 6, 7, 8]);
  for (const read of reads.splice(0)) read();
  await nextRound();
  assert.deepEqual(sent.slice(8), [1_000]);
  post.tell(pools(1_001));
  assert.deepEqual(sent.slice(8), [1_000, 1_001], "it reads, and nothing waits");
});
