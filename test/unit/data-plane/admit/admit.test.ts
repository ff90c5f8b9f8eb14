import assert from "node:assert/strict";
import { test } from "node:test";
import { admit } from "../../../../src/data-plane/admit/admit.ts";
import { requestHead } from "../../../support/heads.ts";

const HOST = "h.example";

/** Not read from text: a target that no head can have is refused here too. */
function admitted(target: string, method = "GET") {
  return admit({ ...requestHead("GET / HTTP/1.1", [`Host: ${HOST}`]), method, target }, null);
}

function hostOf(fields: readonly string[], start = "GET / HTTP/1.1") {
  const verdict = admit(requestHead(start, fields), null);
  return verdict.code === null ? { host: verdict.host } : verdict.code;
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
    assert.deepEqual(admitted(url), { code: null, target: url, authority: null, host: HOST });
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
    assert.deepEqual(admitted(url), { code: null, target, authority, host: HOST });
  }
});

test("* is for OPTIONS alone, and OPTIONS of an authority without a path means *", () => {
  assert.deepEqual(admitted("*", "OPTIONS"), { code: null, target: "*", authority: null, host: HOST });
  assert.deepEqual(admitted("http://h:1", "OPTIONS"), {
    code: null,
    target: "*",
    authority: "h:1",
    host: HOST,
  });
  assert.deepEqual(admitted("http://h:1/", "OPTIONS"), {
    code: null,
    target: "/",
    authority: "h:1",
    host: HOST,
  });
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

test("no Host, or more than one, is refused, whatever the target; HTTP/1.0 needs none", () => {
  for (const target of ["/", "http://a/", "/switch"]) {
    assert.equal(hostOf(["X: 1"], `GET ${target} HTTP/1.1`), "MALFORMED_REQUEST");
  }
  assert.equal(hostOf(["Host: a", "hOST: b"]), "MALFORMED_REQUEST");
  assert.equal(hostOf(["Host: a", "Host: a"], "GET / HTTP/1.0"), "MALFORMED_REQUEST");
  assert.equal(hostOf(["Host:", "Host: a"]), "MALFORMED_REQUEST");
  assert.deepEqual(hostOf(["X: 1"], "GET / HTTP/1.0"), { host: null });
});

test("a Host that is none is refused; an empty one, an address and a port are hosts", () => {
  for (const host of ["a b", "a/b", "a?b", "a#b", "u@h", "a\\b", 'a"b', "<a>", "a\tb", "a, b"]) {
    assert.equal(hostOf([`Host: ${host}`]), "MALFORMED_REQUEST", host);
  }
  for (const host of ["", "h", "h:80", "[::1]:80", "10.0.0.1", "a_b.c", "xn--e1afmkfd.example", "%41"]) {
    assert.deepEqual(hostOf([`Host: ${host}`]), { host });
  }
});

test("a host that was found good before is not taken for another one that only begins or ends with it", () => {
  for (const [value, host] of [
    ["h.example", "h.example"],
    ["h.example:1", "h.example:1"],
    ["h.exampl", "h.exampl"],
    ["H.example", "H.example"],
    ["", ""],
  ] as const) {
    const verdict = admit(requestHead("GET / HTTP/1.1", [`Host: ${value}`]), "h.example");
    assert.equal(verdict.code === null ? verdict.host : verdict.code, host);
  }
  for (const fields of [["Host: h.example/"], ["Host: h.example", "Host: h.example"], []]) {
    assert.equal(admit(requestHead("GET / HTTP/1.1", fields), "h.example").code, "MALFORMED_REQUEST");
  }
});

test("a port has five digits at most, or none", () => {
  for (const [host, isOne] of [
    ["h:", true],
    ["h:12345", true],
    ["h:123456", false],
    ["h:1a", false],
    ["h:1:2", false],
    ["[::1]:", true],
    ["[::1]:123456", false],
    ["[::1]x", false],
    ["[::1", false],
    ["[]", false],
    ["x[::1]", false],
    [":80", true],
  ] as const) {
    const verdict = hostOf([`Host: ${host}`]);
    assert.deepEqual(verdict, isOne ? { host } : "MALFORMED_REQUEST", host);
  }
});
