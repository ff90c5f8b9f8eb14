import assert from "node:assert/strict";
import { test } from "node:test";
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../../../src/core/errors.ts";
import { Recorder } from "../../../../src/data-plane/record/record.ts";
import { DURATION_BUCKETS_SECONDS } from "../../../../src/telemetry/worker-stats.ts";
import { backendOf } from "../../../support/backend-of.ts";

function start() {
  const backends = [backendOf("v1", "http://h:1", 0), backendOf("v2", "http://h:2", 1)] as const;
  return { recorder: new Recorder(backends), backends };
}

test("a duration on a bound counts in that bound's bucket, a moment more in the next", () => {
  const { recorder, backends } = start();
  DURATION_BUCKETS_SECONDS.forEach((seconds) => {
    recorder.request(backends[0], "GET", 200, seconds * 1_000);
  });
  const [v1, v2] = recorder.read().durations;
  assert.deepEqual(v1?.buckets, [...DURATION_BUCKETS_SECONDS.map(() => 1), 0]);
  assert.equal(v1?.count, DURATION_BUCKETS_SECONDS.length);
  assert.equal(v2?.count, 0);
  recorder.request(backends[1], "GET", 200, 30_000.001);
  recorder.request(backends[1], "GET", 200, 0.5001);
  recorder.request(backends[1], "GET", 200, 0);
  assert.deepEqual(recorder.read().durations[1]?.buckets, [1, 1, ...Array<number>(13).fill(0), 1]);
});

test("the sum of durations is in seconds", () => {
  const { recorder, backends } = start();
  recorder.request(backends[0], "GET", 200, 1_500);
  recorder.request(backends[0], "POST", 503, 500);
  assert.equal(recorder.read().durations[0]?.sumSeconds, 2);
});

test("requests are counted by version, method and code, from 100 to 999", () => {
  const { recorder, backends } = start();
  for (const code of [100, 200, 200, 499, 600, 999]) recorder.request(backends[0], "GET", code, 1);
  recorder.request(backends[1], "DELETE", 200, 1);
  assert.deepEqual(recorder.read().requests, [
    { version: "v1", method: "GET", code: 100, count: 1 },
    { version: "v1", method: "GET", code: 200, count: 2 },
    { version: "v1", method: "GET", code: 499, count: 1 },
    { version: "v1", method: "GET", code: 600, count: 1 },
    { version: "v1", method: "GET", code: 999, count: 1 },
    { version: "v2", method: "DELETE", code: 200, count: 1 },
  ]);
});

test("a method that nobody knows counts as OTHER, however many are invented", () => {
  const { recorder, backends } = start();
  for (const method of ["PROPFIND", "get", "", "__proto__", "OTHER"])
    recorder.request(backends[0], method, 200, 1);
  assert.deepEqual(recorder.read().requests, [{ version: "v1", method: "OTHER", code: 200, count: 5 }]);
});

test("what is no status is not counted as another one", () => {
  const { recorder, backends } = start();
  for (const code of [0, 99, 1_000, Number.NaN]) recorder.request(backends[0], "GET", code, 1);
  assert.deepEqual(recorder.read().requests, []);
});

test("upstream errors are counted by version and reason", () => {
  const { recorder, backends } = start();
  recorder.upstreamError(backends[0], "backend_closed");
  recorder.upstreamError(backends[0], "backend_closed");
  recorder.upstreamError(backends[1], "pool_exhausted");
  assert.deepEqual(recorder.read().upstreamErrors, [
    { version: "v1", reason: "backend_closed", count: 2 },
    { version: "v2", reason: "pool_exhausted", count: 1 },
  ]);
});

test("requests that the proxy refused are counted by the code in lower case, whatever the version", () => {
  const { recorder } = start();
  recorder.refusal("MALFORMED_REQUEST");
  recorder.refusal("LOOP_DETECTED");
  recorder.refusal("MALFORMED_REQUEST");
  assert.deepEqual(recorder.read().refusals, [
    { reason: "malformed_request", count: 2 },
    { reason: "loop_detected", count: 1 },
  ]);
});

test("a backend's fault, a client that left and a refused connection are no refused requests", () => {
  const { recorder } = start();
  for (const code of Object.keys(FORWARD_ERRORS) as ForwardErrorCode[]) recorder.refusal(code);
  assert.deepEqual(
    recorder.read().refusals.map(({ reason }) => reason),
    [
      "malformed_request",
      "request_timeout",
      "body_too_large",
      "target_too_long",
      "headers_too_large",
      "pool_exhausted",
      "no_backend_available",
      "too_many_requests_in_flight",
      "hold_full",
      "drain_deadline",
      "loop_detected",
      "internal_error",
    ],
  );
});

test("refused connections are counted by the limit that was reached", () => {
  const { recorder } = start();
  recorder.refusedConnection("max_connections_per_client");
  recorder.refusedConnection("max_connections_per_client");
  recorder.refusedConnection("max_connections");
  assert.deepEqual(recorder.read().refusedConnections, [
    { reason: "max_connections_per_client", count: 2 },
    { reason: "max_connections", count: 1 },
  ]);
});

test("nothing was refused before the first refusal", () => {
  const { refusals, refusedConnections } = start().recorder.read();
  assert.deepEqual([refusals, refusedConnections], [[], []]);
});
