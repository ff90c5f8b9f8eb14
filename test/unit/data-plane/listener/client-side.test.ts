import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { createClientSide } from "../../../../src/data-plane/listener/client-side.ts";

function describe(remoteAddress: string | undefined, trusted: readonly string[] = []) {
  return createClientSide(trusted)({ remoteAddress } as Socket);
}

test("an IPv4 address that came over an IPv6 socket is told as IPv4", () => {
  assert.equal(describe("::ffff:10.1.2.3").address, "10.1.2.3");
  assert.equal(describe("10.1.2.3").address, "10.1.2.3");
  assert.equal(describe("2001:db8::1").address, "2001:db8::1");
});

test("a socket that is gone already has an unknown address, which nobody trusts", () => {
  assert.deepEqual(describe(undefined, ["0.0.0.0/0", "::/0"]), {
    address: "unknown",
    isTrusted: false,
    protocol: "http",
  });
});

test("addresses and networks that are listed are trusted, and nobody else", () => {
  const trusted = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"];
  for (const address of ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8:1::1", "::1"]) {
    assert.equal(describe(address, trusted).isTrusted, true, address);
  }
  for (const address of ["11.0.0.1", "192.0.2.8", "::ffff:11.0.0.1", "2001:db9::1", "::2"]) {
    assert.equal(describe(address, trusted).isTrusted, false, address);
  }
  assert.equal(describe("127.0.0.1").isTrusted, false);
});

test("it is worked out once per connection", () => {
  const clientOf = createClientSide([]);
  const socket = { remoteAddress: "10.0.0.1" } as Socket;
  assert.equal(clientOf(socket), clientOf(socket));
});
