import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutMapping } from "../../../src/core/mapped-address.ts";

test("an IPv4 address in IPv6's clothes is the plain one; any other stays as it is", () => {
  for (const [address, plain] of [
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:10.0.0.1", "10.0.0.1"],
    ["192.0.2.1", "192.0.2.1"],
    ["::1", "::1"],
    ["::ffff:c000:201", "::ffff:c000:201"],
    ["2001:db8::ffff:1", "2001:db8::ffff:1"],
    ["unknown", "unknown"],
    ["", ""],
  ] as const) {
    assert.equal(withoutMapping(address), plain);
  }
});
