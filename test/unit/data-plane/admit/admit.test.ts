import assert from "node:assert/strict";
import { test } from "node:test";
import { admit } from "../../../../src/data-plane/admit/admit.ts";

function admitted(target: string, method = "GET") {
  return admit(method, target);
}

test("a path passes as it came", () => {
  for (const url of [
    "/",
    "//",
    "/a/../b",
    "/%2f?x=//y",
    "/*",
    "/http://h/",
    "/%00;a",
    "/\xc3\xa4\xff",
    "/?@",
  ]) {
    assert.deepEqual(admitted(url), { code: null, target: url, authority: null });
  }
});

test("an absolute target is taken apart into authority and path", () => {
  const cases = {
    "http://h": ["/", "h"],
    "http://h:80/": ["/", "h:80"],
    "https://[::1]:8/a?b": ["/a?b", "[::1]:8"],
    "HTTP://H/A": ["/A", "H"],
    "http://h?q=/x": ["/?q=/x", "h"],
    "http://h//a/../b": ["//a/../b", "h"],
    "http://h:80?": ["/?", "h:80"],
    "http://h/@a": ["/@a", "h"],
    "http://h/\xc3\xa4": ["/\xc3\xa4", "h"],
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
    "http://h\\a/",
    'http://h"/',
    "http://<h>/",
    "https:///",
    "ftp://h/",
    "**",
  ]) {
    assert.equal(admitted(url).code, "MALFORMED_REQUEST", url);
  }
});

test("a fragment is no part of a target: another reader would cut it off there", () => {
  for (const url of ["/#", "/a#b", "/a?b#c", "#", "*#", "http://h/#", "http://h#/a", "http://#h/"]) {
    assert.equal(admitted(url).code, "MALFORMED_REQUEST", url);
  }
  assert.equal(admitted("/%23").code, null);
});

test("CONNECT is refused, whatever it asks for; only its very name is it", () => {
  for (const url of ["h:443", "/", "http://h/"]) {
    assert.equal(admitted(url, "CONNECT").code, "MALFORMED_REQUEST", url);
  }
  assert.equal(admitted("/", "connect").code, null);
  assert.equal(admitted("h:443", "connect").code, "MALFORMED_REQUEST");
});
