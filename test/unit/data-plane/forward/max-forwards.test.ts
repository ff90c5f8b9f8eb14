import assert from "node:assert/strict";
import { test } from "node:test";
import { answerAsLast, nextMaxForwards } from "../../../../src/data-plane/forward/max-forwards.ts";
import { requestHead } from "../../../support/heads.ts";

for (const [line, fields, next] of [
  ["OPTIONS / HTTP/1.1", ["Max-Forwards: 3"], 2],
  ["TRACE / HTTP/1.1", ["max-forwards: 1"], 0],
  ["GET / HTTP/1.1", ["Max-Forwards: 3"], null],
  ["OPTIONS / HTTP/1.1", [], null],
  ["OPTIONS / HTTP/1.1", ["Max-Forwards: x"], null],
  ["OPTIONS / HTTP/1.1", ["Max-Forwards: 3", "Max-Forwards: 4"], null],
  ["OPTIONS / HTTP/1.1", ["Max-Forwards: -1"], null],
] as const) {
  test(`${line} with [${fields}] goes on, with ${next ?? "what it came with"}`, () => {
    const head = requestHead(line, ["Host: h", ...fields]);
    assert.equal(answerAsLast(head), null);
    assert.equal(nextMaxForwards(head.method, head.fields), next);
  });
}

test("at 0 an OPTIONS gets an empty answer", () => {
  const answer = answerAsLast(requestHead("OPTIONS * HTTP/1.1", ["Host: h", "Max-Forwards: 0"]));
  assert.deepEqual([answer?.fields, answer?.body.length], [[], 0]);
});

test("at 0 a TRACE gets what it sent, byte for byte, but no secrets", () => {
  const fields = ["Host: h", "Max-Forwards: 0", "X-Latin: \xe4", "cookie: a", "Authorization: b"];
  const answer = answerAsLast(requestHead("TRACE /a HTTP/1.0", fields));
  assert.deepEqual(answer?.fields, ["Content-Type", "message/http"]);
  const expected = "TRACE /a HTTP/1.0\r\nHost: h\r\nMax-Forwards: 0\r\nX-Latin: \xe4\r\n\r\n";
  assert.equal(answer?.body.toString("latin1"), expected);
});
