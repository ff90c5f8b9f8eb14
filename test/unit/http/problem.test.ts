import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode, ProxyError } from "../../../src/core/errors.ts";
import { problemAnswer, problemBody, problemFromError } from "../../../src/http/problem.ts";

test("a problem carries the members of RFC 9457 and ours, and ends with a newline", () => {
  const text = problemBody("UNKNOWN_VERSION", "no version v9");
  assert.equal(text.indexOf("\n"), text.length - 1);
  assert.deepEqual(JSON.parse(text), {
    type: "about:blank",
    title: "Not Found",
    status: 404,
    detail: "no version v9",
    success: false,
    code: "UNKNOWN_VERSION",
    message: "no version v9",
  });
});

test("every code of the table has a status phrase and its own status", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const answer = problemAnswer(code, "why");
    const body = JSON.parse(answer.body);
    assert.equal(answer.status, ERROR_CODES[code].status);
    assert.equal(body.status, answer.status);
    assert.match(body.title, /^[A-Z]/, code);
  }
});

test("extra members come along, but cannot replace ours", () => {
  const body = JSON.parse(
    problemAnswer("GATE_REFUSED", "no", { probes: [1], success: true, status: 200 }).body,
  );
  assert.deepEqual(body.probes, [1]);
  assert.equal(body.success, false);
  assert.equal(body.status, 422);
});

test("a refusal of the admin API is indented for curl, the message before what the probes saw", () => {
  const { body } = problemAnswer("GATE_REFUSED", "why", { gate: { workers: [] } });
  assert.match(body, /^\{\n {2}"type": [\s\S]*\n {2}"message": "why",\n {2}"gate": [\s\S]*\n\}\n$/);
});

test("a thrown ProxyError becomes the same answer; its cause is not told", () => {
  const error = new ProxyError("STATE_WRITE_FAILED", "cannot write", { cause: "secret cause" });
  const answer = problemFromError(error, {}, { "Retry-After": "1" });
  assert.equal(answer.status, 500);
  assert.deepEqual(answer.headers, { "Content-Type": "application/problem+json", "Retry-After": "1" });
  assert.doesNotMatch(answer.body, /secret/);
});
