/**
 * Trailers: which fields travel on, and that those which do are not touched.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardableTrailers } from "../../../../src/data-plane/forward/trailers.ts";

const FORBIDDEN = `
  Transfer-Encoding Content-Length Host
  Cache-Control Expect Max-Forwards Pragma Range TE If-Match If-None-Match If-Modified-Since If-Range
  Authorization Proxy-Authorization Proxy-Authenticate Proxy-Authentication-Info WWW-Authenticate
  Cookie Set-Cookie Content-Encoding Content-Type Content-Range Trailer
  Age Date Expires Location Retry-After Vary Warning
  Connection Keep-Alive Proxy-Connection Upgrade
  X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Anything Forwarded Via X-Real-IP
`
  .trim()
  .split(/\s+/);

test("no trailers stay no trailers", () => {
  assert.equal(forwardableTrailers(""), "");
  assert.equal(forwardableTrailers("", new Set(["a"])), "");
});

test("allowed fields pass byte for byte, in their order and number", () => {
  const raw =
    "grpc-status:0\r\nGRPC-Message: \t a:b \r\nServer-Timing: a\r\nDigest:\r\n" +
    "X-Checksum: \xe9\xff\r\nserver-timing: b\r\nServer-Timing: a\r\n";
  assert.equal(forwardableTrailers(raw), raw);
});

for (const name of FORBIDDEN) {
  test(`${name} does not pass, in any case and at any place`, () => {
    for (const written of [name, name.toLowerCase(), name.toUpperCase()]) {
      const line = `${written}: x\r\n`;
      assert.equal(forwardableTrailers(line), "");
      assert.equal(forwardableTrailers(`A: 1\r\n${line}B: 2\r\n${line}`), "A: 1\r\nB: 2\r\n");
      assert.equal(forwardableTrailers(`${line}C: 3\r\n`), "C: 3\r\n");
    }
  });
}

test("a name that only looks like a forbidden one passes", () => {
  const raw =
    "Hosts: a\r\nX-Host: a\r\nProxy: a\r\nIf: a\r\nX-Forwarded: a\r\nViaduct: a\r\nX-If-Match: a\r\n";
  assert.equal(forwardableTrailers(raw), raw);
});

test("a forbidden name in a value is only a value", () => {
  const raw = "A: Host: x\r\nB: X-Forwarded-For: y\r\n";
  assert.equal(forwardableTrailers(raw), raw);
});

test("what Connection names does not pass as a trailer either", () => {
  const raw = "A: 1\r\nX-Hop: 2\r\nx-hop: 3\r\nX-Hops: 4\r\n";
  assert.equal(forwardableTrailers(raw, new Set(["x-hop"])), "A: 1\r\nX-Hops: 4\r\n");
});

test("a line without its end does not pass", () => {
  assert.equal(forwardableTrailers("A: 1\r\nB: 2"), "A: 1\r\n");
});
