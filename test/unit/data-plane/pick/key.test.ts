/** Key: what a request goes by, and that its hashes are spread. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BalanceKey } from "../../../../src/config/pool-config.ts";
import { hashOf, mix } from "../../../../src/data-plane/pick/hash.ts";
import { keyHash } from "../../../../src/data-plane/pick/key.ts";
import { Fields } from "../../../../src/wire/fields.ts";
import { octetsOf } from "../../../support/heads.ts";
import { countsOf } from "./picks.ts";

const CLIENT = "192.0.2.7";

function hash(key: BalanceKey, lines: string, target = "/", client = CLIENT): number {
  const fields = new Fields();
  assert.equal(fields.read(octetsOf(`${lines}\r\n`), 0, 100, false), null);
  return keyHash(key)(fields, target, client);
}

const header = (name: string): BalanceKey => ({ from: "header", name });
const cookie = (name: string): BalanceKey => ({ from: "cookie", name });
const ofClient = hash({ from: "client-address" }, "");
const of = (text: string): number => hashOf(text) >>> 1;

test("by the client's address: nothing else of the request counts", () => {
  const key: BalanceKey = { from: "client-address" };
  assert.equal(hash(key, "X-User: a\r\n", "/a?b"), ofClient);
  assert.notEqual(hash(key, "", "/", "192.0.2.8"), ofClient);
  assert.equal(ofClient, of(CLIENT));
});

test("by the path: the query does not count, the client neither", () => {
  const key: BalanceKey = { from: "path" };
  assert.equal(hash(key, "", "/a/b"), of("/a/b"));
  assert.equal(hash(key, "", "/a/b?c=1", "192.0.2.8"), of("/a/b"));
  assert.equal(hash(key, "", "/a/b?"), of("/a/b"));
  assert.notEqual(hash(key, "", "/a/B"), of("/a/b"));
  assert.equal(hash(key, "", "*"), of("*"));
});

test("by a header: whatever the case of its name, without the white space around its value, the first one", () => {
  const key = header("x-user");
  assert.equal(hash(key, "X-User: anna\r\n"), of("anna"));
  assert.equal(hash(key, "x-uSER: \t anna \t\r\nX-User: ben\r\n"), of("anna"));
  assert.equal(hash(key, "X-Users: ben\r\nX-Use: ben\r\nX-User:anna\r\n"), of("anna"));
  assert.notEqual(hash(key, "X-User: Anna\r\n"), of("anna"));
});

test("a name that differs by the bit of upper case alone is another one", () => {
  assert.equal(hash(header("x^"), "x~: anna\r\n"), ofClient);
  assert.equal(hash(header("x~"), "x^: anna\r\n"), ofClient);
});

test("by a cookie: whole names only, at any place, in any of several fields", () => {
  const key = cookie("sid");
  assert.equal(hash(key, "Cookie: sid=abc\r\n"), of("abc"));
  assert.equal(hash(key, "Cookie: a=1; sid=abc; b=2\r\n"), of("abc"));
  assert.equal(hash(key, "cookie: a=1;sid=abc ;b=2\r\n"), of("abc"));
  assert.equal(hash(key, "Cookie: xsid=1; sidx=2; a=sid=3\r\nCookie: sid=abc\r\n"), of("abc"));
  assert.equal(hash(key, "Cookie: sid=abc=d==\r\n"), of("abc=d=="));
  assert.equal(hash(key, "Cookie: sid=abc; sid=other\r\n"), of("abc"));
});

test("a request without the header or the cookie, or with an empty one, goes by the client's address", () => {
  for (const lines of ["", "X-Other: a\r\n", "X-User:\r\n", "X-User: \t\r\nX-User: a\r\n"]) {
    assert.equal(hash(header("x-user"), lines), ofClient, JSON.stringify(lines));
  }
  const broken = [
    "Cookie:\r\n",
    "Cookie: sid\r\n",
    "Cookie: sid=\r\n",
    "Cookie: sid= ; a=b\r\n",
    "Cookie: ;;; \r\n",
  ];
  for (const lines of ["", "Cookie: SID=abc\r\n", "X-Cookie: sid=abc\r\n", ...broken]) {
    assert.equal(hash(cookie("sid"), lines), ofClient, JSON.stringify(lines));
  }
});

test("a name at the end of a field does not read on in the next one", () => {
  assert.equal(hash(cookie("sid"), "Cookie: a=1; sid\r\nX: =abc\r\n"), ofClient);
  assert.equal(hash(cookie("sid"), "Cookie: a=1; sid=\r\nX: abc\r\n"), ofClient);
});

/** Pearson's chi-squared of how `hashes` fall on `cells`, over its expectation: about 1 when they fall by chance. */
function unevenness(hashes: readonly number[], cells: number): number {
  const counts = countsOf(
    hashes.map((one) => Math.floor((one / 2 ** 31) * cells)),
    cells,
  );
  const fair = hashes.length / cells;
  return counts.reduce((sum, count) => sum + (count - fair) ** 2 / fair, 0) / (cells - 1);
}

test("keys that differ in a digit or two are spread like chance, by their upper and by their lower bits", () => {
  const number = 65_536;
  const cells = 1_024;
  const sets: Readonly<Record<string, (i: number) => string>> = {
    addresses: (i) => `10.0.${i >> 8}.${i & 255}`,
    "IPv6 addresses": (i) => `2001:db8::${i.toString(16)}`,
    paths: (i) => `/articles/${i}`,
    users: (i) => `user-${String(i).padStart(8, "0")}`,
    "long texts": (i) => `${"x".repeat(200)}${i}`,
  };
  for (const [what, text] of Object.entries(sets)) {
    const hashes = Array.from({ length: number }, (_, i) => of(text(i)));
    const turned = hashes.map((one) => ((one & 0xffff) << 15) | (one >>> 16));
    for (const found of [unevenness(hashes, cells), unevenness(turned, cells)]) {
      assert.ok(found > 0.8 && found < 1.2, `${what}: ${found}`); // five deviations are 0.22
    }
    assert.ok(hashes.every((one) => one >= 0 && one < 2 ** 31));
  }
});

test("the mixing is one to one and turns half of the bits for each that is turned", () => {
  for (let bit = 0; bit < 32; bit++) {
    let turned = 0;
    for (let i = 0; i < 1_000; i++) {
      const input = Math.imul(i, 0x9e3779b1);
      let difference = mix(input) ^ mix(input ^ (1 << bit));
      assert.notEqual(difference, 0);
      for (; difference !== 0; difference &= difference - 1) turned++;
    }
    assert.ok(Math.abs(turned / 1_000 - 16) < 1, `bit ${bit}: ${turned / 1_000}`);
  }
});
