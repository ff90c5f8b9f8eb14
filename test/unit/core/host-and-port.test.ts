import assert from "node:assert/strict";
import { test } from "node:test";
import { hostAndPort } from "../../../src/core/host-and-port.ts";

test("an IPv6 address is told from its port by brackets, and nothing else has any", () => {
  for (const [host, shown] of [
    ["127.0.0.1", "127.0.0.1:80"],
    ["localhost", "localhost:80"],
    ["::", "[::]:80"],
    ["::1", "[::1]:80"],
  ] as const) {
    assert.equal(hostAndPort(host, 80), shown);
  }
});
