/** What counts for a backend, and what against it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../../src/core/errors.ts";
import { type Outcome, outcomeOf } from "../../../src/core/outcome.ts";

/** Each code, so that a new one has to be thought about. */
const CODES: Readonly<Record<ForwardErrorCode, Outcome>> = {
  MALFORMED_REQUEST: "none",
  REQUEST_TIMEOUT: "none",
  BODY_TOO_LARGE: "none",
  TARGET_TOO_LONG: "none",
  HEADERS_TOO_LARGE: "none",
  CLIENT_ABORTED: "none",
  BACKEND_CONNECT_FAILED: "failed",
  BACKEND_CLOSED: "failed",
  BACKEND_INVALID_ANSWER: "failed",
  POOL_EXHAUSTED: "none",
  NO_BACKEND_AVAILABLE: "none",
  TOO_MANY_REQUESTS_IN_FLIGHT: "none",
  HOLD_FULL: "none",
  TOO_MANY_CONNECTIONS: "none",
  BACKEND_CONNECT_TIMEOUT: "failed",
  BACKEND_RESPONSE_TIMEOUT: "failed",
  BACKEND_BODY_TIMEOUT: "failed",
  DRAIN_DEADLINE: "none",
  LOOP_DETECTED: "none",
  INTERNAL_ERROR: "none",
};

test("connect errors, time-outs and broken answers fail; what the client or the proxy did says nothing", () => {
  const codes = Object.keys(FORWARD_ERRORS) as ForwardErrorCode[];
  const found = Object.fromEntries(codes.map((code) => [code, outcomeOf(0, code)]));
  // A 200 that broke off is broken, whatever its status.
  assert.deepEqual(found, CODES);
  assert.equal(outcomeOf(200, "BACKEND_CLOSED"), "failed");
});

test("5xx answers fail; 4xx are the client's, so the backend did its work", () => {
  for (const status of [500, 502, 503, 504, 507, 599, 999])
    assert.equal(outcomeOf(status, null), "failed", `${status}`);
  for (const status of [101, 200, 204, 301, 400, 401, 404, 429, 499]) {
    assert.equal(outcomeOf(status, null), "good", `${status}`);
  }
});

test("501 and 505 speak of the request: no client can have a backend ejected with a method it does not know", () => {
  assert.deepEqual([outcomeOf(501, null), outcomeOf(505, null)], ["good", "good"]);
});
