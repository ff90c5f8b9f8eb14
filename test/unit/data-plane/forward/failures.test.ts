import assert from "node:assert/strict";
import { test } from "node:test";
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../../../src/core/errors.ts";
import { isUpstreamFailure, reasonOf } from "../../../../src/data-plane/forward/failures.ts";

test("what counts as an upstream error is the backend's fault or the way's to it", () => {
  const codes = Object.keys(FORWARD_ERRORS) as ForwardErrorCode[];
  assert.deepEqual(codes.filter(isUpstreamFailure).sort(), [
    "BACKEND_BODY_TIMEOUT",
    "BACKEND_CLOSED",
    "BACKEND_CONNECT_FAILED",
    "BACKEND_CONNECT_TIMEOUT",
    "BACKEND_INVALID_ANSWER",
    "BACKEND_RESPONSE_TIMEOUT",
    "DRAIN_DEADLINE",
    "POOL_EXHAUSTED",
  ]);
});

test("the metrics' reason is the code in lower case", () => {
  assert.equal(reasonOf("BACKEND_CLOSED"), "backend_closed");
});
