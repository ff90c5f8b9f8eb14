import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerHeaders,
  type ClientSide,
  type RequestHeaders,
  requestHeaders,
} from "../../../../src/data-plane/forward/headers.ts";

const CLIENT: ClientSide = { address: "10.0.0.9", isTrusted: false, protocol: "http" };
const TRUSTED: ClientSide = { ...CLIENT, isTrusted: true };
const HOST = ["Host", "h"];

function forBackend(
  raw: readonly string[],
  client = CLIENT,
  authority: string | null = null,
): RequestHeaders {
  const headers = requestHeaders(raw, client, authority, true);
  assert.ok(headers !== null, "refused");
  return headers;
}

function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name);
}

function forClient(...raw: string[]) {
  return answerHeaders(raw.map((text) => Buffer.from(text, "latin1")));
}

const HOP_BY_HOP = [
  "Connection",
  "KEEP-ALIVE",
  "Proxy-Authenticate",
  "proxy-authorization",
  "Proxy-Connection",
  "TE",
  "Trailer",
  "Upgrade",
];
for (const name of HOP_BY_HOP) {
  test(`${name} goes to neither side`, () => {
    assert.deepEqual(forBackend([...HOST, name, "x", "X-Kept", "1"]).fields.slice(0, 4), [
      ...HOST,
      "X-Kept",
      "1",
    ]);
    assert.deepEqual(forClient("X-Kept", "1", name, "x").fields, ["X-Kept", "1"]);
  });
}

test("end-to-end fields keep their case, order and number, and the list that came is left alone", () => {
  const raw = ["X-b", "1", "hOST", "h", "x-B", "2", "Cookie", "a", "X-Empty", "", "cookie", "b"];
  const copy = [...raw];
  assert.deepEqual(forBackend(raw).fields.slice(0, raw.length), raw);
  assert.deepEqual(raw, copy);
});

test("names of every length pass, also longer than any that we look for", () => {
  for (const length of [1, 2, 4, 10, 17, 255, 256, 300]) {
    const name = "n".repeat(length);
    assert.deepEqual(valuesOf(forBackend([...HOST, name, "v"]).fields, name), ["v"]);
    assert.deepEqual(forClient(name, "v").fields, [name, "v"]);
  }
});

test("what Connection names is removed, over several fields, without case and with spaces", () => {
  const raw = [
    ...HOST,
    "X-One",
    "1",
    "Connection",
    " x-ONE ,, X-Two",
    "connection",
    "x-three",
    "x-two",
    "2",
    "X-Three",
    "3",
    "X-Four",
    "4",
  ];
  assert.deepEqual(forBackend(raw).fields.slice(0, 4), [...HOST, "X-Four", "4"]);
  assert.deepEqual(forClient(...raw.slice(2)).fields, ["X-Four", "4"]);
});

test("Connection cannot take out Host, the framing, the content's type or our own fields", () => {
  const names =
    "Host, Content-Length, Content-Type, Transfer-Encoding, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host";
  const { fields, contentLength } = forBackend([
    ...HOST,
    "Connection",
    names,
    "Content-Length",
    "3",
    "Content-Type",
    "a/b",
    "X-Forwarded-For",
    "1.1.1.1",
  ]);
  assert.equal(contentLength, 3);
  assert.deepEqual(fields, [
    ...HOST,
    "Content-Length",
    "3",
    "Content-Type",
    "a/b",
    "X-Forwarded-For",
    "10.0.0.9", // the client asked us not to pass on what it said
    "X-Forwarded-Proto",
    "http",
    "X-Forwarded-Host",
    "h",
  ]);
  assert.deepEqual(forClient("Connection", "content-length", "Content-Length", "3"), {
    fields: ["Content-Length", "3"],
    contentLength: 3,
    isCoded: false,
  });
});

test("no Host, or more than one, is refused; HTTP/1.0 needs none", () => {
  assert.equal(requestHeaders(["X", "1"], CLIENT, null, true), null);
  assert.equal(requestHeaders([], CLIENT, "authority", true), null);
  assert.equal(requestHeaders(["Host", "a", "hOST", "b"], CLIENT, null, true), null);
  assert.equal(requestHeaders(["Host", "a", "Host", "a"], CLIENT, null, false), null);
  assert.deepEqual(requestHeaders(["X", "1"], CLIENT, null, false)?.fields.slice(0, 2), ["X", "1"]);
});

test("the authority of an absolute target replaces Host, once", () => {
  const { fields } = forBackend(["X", "1", "host", "other"], CLIENT, "real:1");
  assert.deepEqual(fields.slice(0, 4), ["Host", "real:1", "X", "1"]);
  assert.deepEqual(valuesOf(fields, "host"), ["real:1"]);
  assert.deepEqual(valuesOf(fields, "x-forwarded-host"), ["real:1"]);
});

test("a length that is no safe integer is refused", () => {
  for (const value of ["9007199254740992", "18446744073709551617", "x", "1.5"]) {
    assert.equal(requestHeaders([...HOST, "Content-Length", value], CLIENT, null, true), null, value);
  }
  assert.equal(forBackend([...HOST, "Content-Length", "9007199254740991"]).contentLength, 9007199254740991);
  assert.equal(forBackend(HOST).contentLength, null);
});

test("any transfer coding but one chunked is refused, and every one in HTTP/1.0", () => {
  for (const value of ["gzip, chunked", "chunked, chunked", "identity", "gzip", ""]) {
    assert.equal(requestHeaders([...HOST, "Transfer-Encoding", value], CLIENT, null, true), null, value);
  }
  const twice = [...HOST, "Transfer-Encoding", "chunked", "transfer-encoding", "chunked"];
  assert.equal(requestHeaders(twice, CLIENT, null, true), null);
  assert.equal(requestHeaders([...HOST, "Transfer-Encoding", "chunked"], CLIENT, null, false), null);
  assert.equal(
    requestHeaders([...HOST, "Transfer-Encoding", "Chunked"], CLIENT, null, true)?.isChunked,
    true,
  );
});

test("Transfer-Encoding says that there is a body and does not travel; Expect is dropped", () => {
  const { fields, isChunked } = forBackend([
    ...HOST,
    "Transfer-Encoding",
    "chunked",
    "Expect",
    "100-continue",
  ]);
  assert.equal(isChunked, true);
  assert.deepEqual([...valuesOf(fields, "transfer-encoding"), ...valuesOf(fields, "expect")], []);
});

test("the client's address is appended to X-Forwarded-For, in one field", () => {
  const { fields } = forBackend([
    ...HOST,
    "X-Forwarded-For",
    "1.1.1.1",
    "x-forwarded-FOR",
    "2.2.2.2, 3.3.3.3",
  ]);
  assert.deepEqual(valuesOf(fields, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9"]);
});

test("X-Forwarded-Proto and -Host of a trusted proxy are believed, of anybody else replaced", () => {
  const raw = [...HOST, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "public"];
  const trusted = forBackend(raw, TRUSTED).fields;
  assert.deepEqual(valuesOf(trusted, "x-forwarded-proto"), ["https"]);
  assert.deepEqual(valuesOf(trusted, "x-forwarded-host"), ["public"]);
  const other = forBackend(raw).fields;
  assert.deepEqual(valuesOf(other, "x-forwarded-proto"), ["http"]);
  assert.deepEqual(valuesOf(other, "x-forwarded-host"), ["h"]);
  const silent = forBackend(HOST, TRUSTED).fields;
  assert.deepEqual(valuesOf(silent, "x-forwarded-proto"), ["http"]);
  assert.deepEqual(valuesOf(silent, "x-forwarded-host"), ["h"]);
});

test("an answer keeps case, order, number and bytes of its fields", () => {
  const raw = ["set-cookie", "a", "X-\xe4", "\xff", "Set-Cookie", "b", "Empty", "", "Content-Length", "12"];
  assert.deepEqual(forClient(...raw), { fields: raw, contentLength: 12, isCoded: false });
});

test("an answer that is chunked and has a length loses the length", () => {
  assert.deepEqual(forClient("A", "1", "Content-Length", "5", "B", "2", "Transfer-Encoding", "chunked"), {
    fields: ["A", "1", "B", "2"],
    contentLength: -1,
    isCoded: false,
  });
});

test("an answer with a transfer coding besides chunked says so", () => {
  for (const [value, isCoded] of [
    ["chunked", false],
    ["Chunked", false],
    ["identity", false],
    ["gzip, chunked", true],
    ["gzip", true],
  ] as const) {
    assert.equal(forClient("Transfer-Encoding", value).isCoded, isCoded, value);
  }
});
