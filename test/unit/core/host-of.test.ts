import assert from "node:assert/strict";
import { test } from "node:test";
import { hostOf } from "../../../src/core/host-of.ts";

test("the host of an origin is what URL finds there, and an address has no brackets", () => {
  for (const written of [
    "http://a.test",
    "https://A.b-c.test.:9443",
    "http://10.0.0.1:80",
    "https://10.0.0.1:1",
  ]) {
    const { origin, hostname } = new URL(written);
    assert.equal(hostOf(origin), hostname);
  }
  for (const written of ["http://[::1]", "https://[fd00:0:0::1]:9443"]) {
    const { origin, hostname } = new URL(written);
    assert.equal(`[${hostOf(origin)}]`, hostname);
  }
});
