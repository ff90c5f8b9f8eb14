/** So many at a time, the others in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../../src/data-plane/turns.ts";

test("at most so many run at once, in the order in which they came, and each has its turn", async () => {
  const turns = new Turns(2);
  const started: number[] = [];
  const works = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const all = works.map(({ promise }, i) =>
    turns.run(async () => {
      started.push(i);
      await promise;
      return i;
    }),
  );
  await Promise.resolve();
  assert.deepEqual(started, [0, 1]);
  works[1]?.resolve();
  await all[1];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(started, [0, 1, 2]);
  for (const { resolve } of works) resolve();
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4]);
});

test("work that fails gives its place back", async () => {
  const turns = new Turns(1);
  await assert.rejects(
    turns.run(() => Promise.reject(new RangeError("no"))),
    RangeError,
  );
  assert.equal(await turns.run(async () => "next"), "next");
});
