import assert from "node:assert/strict";
import { test } from "node:test";
import { errors } from "undici";
import { ProxyError } from "../../../../src/core/errors.ts";
import { isUpstreamFailure, nameFailure, reasonOf } from "../../../../src/data-plane/forward/failures.ts";

const ORIGIN = "http://10.0.0.1:9000";

function systemError(code: string, message = `connect ${code}`): Error {
  return Object.assign(new Error(message), { code });
}
const parseError = new errors.HTTPParserError("Response does not match the HTTP/1.1 protocol");

for (const [what, error, isSent, code] of [
  ["refused", systemError("ECONNREFUSED"), false, "BACKEND_CONNECT_FAILED"],
  ["no such host", systemError("ENOTFOUND"), false, "BACKEND_CONNECT_FAILED"],
  ["reset while connecting", systemError("ECONNRESET"), false, "BACKEND_CONNECT_FAILED"],
  ["too slow to connect", new errors.ConnectTimeoutError(), false, "BACKEND_CONNECT_TIMEOUT"],
  ["too slow to connect, says the kernel", systemError("ETIMEDOUT"), false, "BACKEND_CONNECT_TIMEOUT"],
  ["reset", systemError("ECONNRESET"), true, "BACKEND_CLOSED"],
  ["closed", new errors.SocketError("other side closed"), true, "BACKEND_CLOSED"],
  ["no HTTP", parseError, true, "BACKEND_INVALID_ANSWER"],
  ["no HTTP, says Node", systemError("HPE_INVALID_CONSTANT"), true, "BACKEND_INVALID_ANSWER"],
  ["too large a head", new errors.HeadersOverflowError(), true, "BACKEND_INVALID_ANSWER"],
  ["a wrong length", new errors.ResponseContentLengthMismatchError(), true, "BACKEND_INVALID_ANSWER"],
  ["an upgrade nobody asked for", new errors.SocketError("bad upgrade"), true, "BACKEND_INVALID_ANSWER"],
  [
    "a status that Node does not write",
    systemError("ERR_HTTP_INVALID_STATUS_CODE"),
    true,
    "BACKEND_INVALID_ANSWER",
  ],
  [
    "a request that undici does not send",
    new errors.InvalidArgumentError("invalid request path"),
    false,
    "MALFORMED_REQUEST",
  ],
  ["one that is named already", new ProxyError("POOL_EXHAUSTED", "full"), false, "POOL_EXHAUSTED"],
] as const) {
  test(`${what} is ${code}`, () => {
    assert.equal(nameFailure(error, isSent, ORIGIN).code, code);
  });
}

test("the message names the backend and the reason, also when several addresses were tried", () => {
  const several = new AggregateError([
    systemError("ECONNREFUSED", "connect ECONNREFUSED ::1:9000"),
    systemError("X"),
  ]);
  Object.assign(several, { code: "ECONNREFUSED" });
  const { message } = nameFailure(several, false, ORIGIN);
  assert.equal(message, `cannot connect to ${ORIGIN}: connect ECONNREFUSED ::1:9000`);
});

test("what counts as an upstream error is the backend's fault or the way's to it", () => {
  for (const code of ["BACKEND_CLOSED", "POOL_EXHAUSTED", "DRAIN_DEADLINE"] as const)
    assert.ok(isUpstreamFailure(code));
  for (const code of ["CLIENT_ABORTED", "MALFORMED_REQUEST", "TOO_MANY_REQUESTS_IN_FLIGHT"] as const) {
    assert.ok(!isUpstreamFailure(code));
  }
  assert.equal(reasonOf("BACKEND_CLOSED"), "backend_closed");
});
