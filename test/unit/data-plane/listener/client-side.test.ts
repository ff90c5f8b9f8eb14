import assert from "node:assert/strict";
import { test } from "node:test";
import { clientSide, createTrust } from "../../../../src/data-plane/listener/client-side.ts";

test("nobody trusts a client that is gone already, so that its address is unknown", () => {
  assert.equal(createTrust(["0.0.0.0/0", "::/0"])("unknown"), false);
});

test("addresses and networks that are listed are trusted, and nobody else", () => {
  const isTrusted = createTrust(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
  for (const address of ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8:1::1", "::1"]) {
    assert.equal(isTrusted(address), true, address);
  }
  for (const address of ["11.0.0.1", "192.0.2.8", "::ffff:11.0.0.1", "2001:db9::1", "::2", "", "10.0.0"]) {
    assert.equal(isTrusted(address), false, address);
  }
  assert.equal(createTrust([])("127.0.0.1"), false);
});

test("a connection's client begins with nothing said of it", () => {
  assert.deepEqual(clientSide("10.0.0.1", true), {
    address: "10.0.0.1",
    isTrusted: true,
    protocol: "http",
    lastHost: null,
    lastLines: "",
  });
});
