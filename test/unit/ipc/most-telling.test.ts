/** Which probes are told when there are too many. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mostTelling } from "../../../src/ipc/most-telling.ts";

/** `good`, `bad` and `cut`, one backend a line. */
function probesOf(...backends: readonly string[]) {
  return backends.map((line, backend) =>
    line
      .split(" ")
      .map((word, at) => ({ id: `${backend}.${at}`, ok: word === "good", isCutShort: word === "cut" })),
  );
}

const idsOf = (probes: readonly { readonly id: string }[]): string => probes.map(({ id }) => id).join(" ");

test("where there is room everything is told", () => {
  assert.equal(idsOf(mostTelling(probesOf("good good", "bad"), 3)), "0.0 0.1 1.0");
});

test("of one backend the last are told, oldest first", () => {
  assert.equal(idsOf(mostTelling(probesOf("bad good good good"), 3)), "0.1 0.2 0.3");
});

test("each backend is told of before one is told of twice", () => {
  assert.equal(idsOf(mostTelling(probesOf("good good good", "good good good"), 2)), "0.2 1.2");
});

test("a backend that failed comes before one that was given up, and that before a good one", () => {
  const probes = probesOf("good", "cut", "bad", "good bad", "good");
  assert.equal(idsOf(mostTelling(probes, 2)), "2.0 3.1");
  assert.equal(idsOf(mostTelling(probes, 3)), "1.0 2.0 3.1");
  assert.equal(idsOf(mostTelling(probes, 4)), "0.0 1.0 2.0 3.1");
});

test("no backends have nothing to tell", () => {
  assert.deepEqual(mostTelling([], 5), []);
});
