/** Which backend a cookie names, and for how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StickyConfig } from "../../../../src/config/pool-config.ts";
import { Sticky } from "../../../../src/data-plane/backend/sticky.ts";
import { backendOf } from "../../../support/backend-of.ts";
import { requestHead } from "../../../support/heads.ts";

const CONFIG: StickyConfig = {
  cookie: "ts_backend",
  secret: "0123456789abcdef",
  maxAgeMs: null,
  isSecure: false,
  sameSite: "lax",
};
const a = backendOf("v1", "http://10.0.0.1:9000");
const b = backendOf("v1", "http://10.0.0.2:9000");

function startSticky(config: Partial<StickyConfig> = {}, { epoch = 3, version = "v1" } = {}) {
  const sticky = new Sticky({ ...CONFIG, ...config }, version);
  sticky.renew(epoch, [a, b]);
  return sticky;
}

/** What a browser sends for a `Set-Cookie` line. */
const cookieOf = (line: string): string => /^Set-Cookie: ([^;]*)/.exec(line)?.[1] ?? "";
const named = (sticky: Sticky, cookie: string) =>
  sticky.backendOf(requestHead("GET / HTTP/1.1", ["Host: h", `Cookie: x=1; ${cookie}`]).fields);

test("what a line gives a client names the same backend when it comes back", () => {
  const sticky = startSticky();
  assert.equal(named(sticky, cookieOf(sticky.lineFor(a))), a);
  assert.equal(named(sticky, cookieOf(sticky.lineFor(b))), b);
  assert.notEqual(sticky.lineFor(a), sticky.lineFor(b));
});

test("every worker, and the daemon after a restart, gives and knows the same", () => {
  assert.equal(startSticky().lineFor(a), startSticky().lineFor(a));
});

for (const { what, other } of [
  { what: "of an earlier switch", other: startSticky({}, { epoch: 2 }) },
  { what: "of another version", other: startSticky({}, { version: "v2" }) },
  { what: "signed with another secret", other: startSticky({ secret: "fedcba9876543210" }) },
] as const) {
  test(`a cookie ${what} names nothing`, () => {
    assert.equal(named(startSticky(), cookieOf(other.lineFor(a))), null);
  });
}

test("a cookie that was made up, cut, empty or missing names nothing", () => {
  const sticky = startSticky();
  const cookie = cookieOf(sticky.lineFor(a));
  for (const bad of [cookie.slice(0, -1), `${cookie}A`, "ts_backend=", `ts_backend=${a.name}`, "other=1"]) {
    assert.equal(named(sticky, bad), null, bad);
  }
});

test("neither the backend nor the secret can be read in a cookie", () => {
  assert.match(
    startSticky().lineFor(a),
    /^Set-Cookie: ts_backend=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax\r\n$/,
  );
});

test("a backend that has left is named by nothing, and the others stay", () => {
  const sticky = startSticky();
  const [ofA, ofB] = [cookieOf(sticky.lineFor(a)), cookieOf(sticky.lineFor(b))];
  sticky.renew(3, [b]);
  assert.deepEqual([named(sticky, ofA), named(sticky, ofB), sticky.lineFor(a)], [null, b, ""]);
});

test("the attributes are the config's", () => {
  const line = startSticky({
    cookie: "__Host-b",
    maxAgeMs: 90_500,
    isSecure: true,
    sameSite: "none",
  }).lineFor(a);
  assert.match(
    line,
    /^Set-Cookie: __Host-b=[\w-]{22}; Path=\/; Max-Age=91; HttpOnly; SameSite=None; Secure\r\n$/,
  );
});
