import assert from "node:assert/strict";
import { test } from "node:test";
import { admit } from "../../../../src/data-plane/admit/admit.ts";

const LIMITS = { maxHeaderCount: 10, maxTargetBytes: 64 };
const HEADERS = ["Host", "h"];

function admitted(url: string, method = "GET") {
  return admit("1.1", method, url, HEADERS, LIMITS);
}

test("a path passes as it came", () => {
  for (const url of ["/", "//", "/a/../b", "/%2f?x=//y", "/*", "/http://h/"]) {
    assert.deepEqual(admitted(url), { code: null, target: url, authority: null });
  }
});

test("a target as long as the limit passes, one byte more is refused", () => {
  assert.equal(admitted(`/${"x".repeat(63)}`).code, null);
  assert.equal(admitted(`/${"x".repeat(64)}`).code, "TARGET_TOO_LONG");
  assert.equal(admitted(`http://h/${"x".repeat(64)}`).code, "TARGET_TOO_LONG");
});

test("as many fields as the limit pass, one more is refused", () => {
  const fields = (count: number) => Array.from({ length: 2 * count }, () => "x");
  assert.equal(admit("1.1", "GET", "/", fields(10), LIMITS).code, null);
  assert.equal(admit("1.1", "GET", "/", fields(11), LIMITS).code, "HEADERS_TOO_LARGE");
});

test("an absolute target is taken apart into authority and path", () => {
  const cases = {
    "http://h": ["/", "h"],
    "http://h:80/": ["/", "h:80"],
    "https://[::1]:8/a?b": ["/a?b", "[::1]:8"],
    "HTTP://H/A": ["/A", "H"],
    "http://h?q=/x": ["/?q=/x", "h"],
    "http://h//a/../b": ["//a/../b", "h"],
  };
  for (const [url, [target, authority]] of Object.entries(cases)) {
    assert.deepEqual(admitted(url), { code: null, target, authority });
  }
});

test("* is for OPTIONS alone, and OPTIONS of an authority without a path means *", () => {
  assert.deepEqual(admitted("*", "OPTIONS"), { code: null, target: "*", authority: null });
  assert.deepEqual(admitted("http://h:1", "OPTIONS"), { code: null, target: "*", authority: "h:1" });
  assert.deepEqual(admitted("http://h:1/", "OPTIONS"), { code: null, target: "/", authority: "h:1" });
  for (const method of ["GET", "POST", "HEAD"]) assert.equal(admitted("*", method).code, "MALFORMED_REQUEST");
});

test("any other target is malformed", () => {
  for (const url of [
    "",
    "a",
    "h:80",
    "?q",
    "http:/",
    "http://",
    "http:///a",
    "http://u:p@h/",
    "http://@h/",
    "ftp://h/",
    "**",
  ]) {
    assert.equal(admitted(url).code, "MALFORMED_REQUEST", url);
  }
});

test("only HTTP/1.1 and HTTP/1.0 are served", () => {
  assert.equal(admit("1.0", "GET", "/", HEADERS, LIMITS).code, null);
  for (const version of ["0.9", "2.0", "1.2"]) {
    assert.equal(admit(version, "GET", "/", HEADERS, LIMITS).code, "MALFORMED_REQUEST");
  }
});
