/** Cases of the promise "bytes": what may pass, passes as it came. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";

const TARGETS: readonly (readonly [what: string, target: string, source: string])[] = [
  ["an encoded slash", "/a%2Fb%2f", "RFC 3986 §2.2"],
  ["an encoded NUL", "/a%00b", "RFC 3986 §2.1"],
  ["dot segments", "/a/../b/./c/..", "RFC 9110 §7.7: a proxy must not change path and query"],
  ["empty segments", "//a///b//", "RFC 9110 §7.7; http-proxy collapses them"],
  ["a path parameter", "/a;b=c;d", "RFC 3986 §3.3"],
  ["a query of every legal character", "/?a=b&c=[]{}|^'\"<>\\`~!$*()+,;:@/??", "RFC 9110 §7.7"],
  ["raw UTF-8", "/\xc3\xa9\xe2\x82\xac?\xc3\xbc", "WHATWG URL; nginx and HAProxy pass it"],
  ["7 KiB", `/${"a".repeat(7_000)}?${"b".repeat(168)}`, "RFC 9110 §4.1: 8,000 bytes at least"],
];

export const bytes: readonly Case[] = [
  ...TARGETS.map(
    ([what, target, source]): Case => ({
      promise: "bytes",
      says: `a target with ${what} reaches the backend as it came`,
      source,
      run: async ({ exchange }) => {
        const { seen } = await exchange(get(target));
        assert.equal(seen.target, target);
      },
    }),
  ),
  {
    promise: "bytes",
    says: "the client's own fields keep their case and their order",
    source: "RFC 9110 §5.3",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "X-b: 1", "x-A: 2", "ACCEPT: 3", "X-b: 4"));
      const own = seen.fields.filter(([name]) => /^(x-a|x-b|accept)$/i.test(name));
      assert.deepEqual(own, [
        ["X-b", "1"],
        ["x-A", "2"],
        ["ACCEPT", "3"],
        ["X-b", "4"],
      ]);
    },
  },
  {
    promise: "bytes",
    says: "several Set-Cookie of an answer stay several, in their order",
    source: "RFC 6265 §3",
    run: async ({ exchange }) => {
      const cookies = ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "b=2", "a=3"];
      const fields = cookies.map((cookie) => `Set-Cookie: ${cookie}`);
      const { answer: given } = await exchange(get(), answer("200 OK", fields, "ok"));
      assert.deepEqual(given.headerAll("set-cookie"), cookies);
    },
  },
  {
    promise: "bytes",
    says: "latin-1 and empty values pass in both directions",
    source: "RFC 9110 §5.5 (obs-text)",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(
        get("/", "X-Latin: caf\xe9", "X-Empty:"),
        answer("200 OK", ["X-Latin: \xfcber", "X-Empty:"], "ok"),
      );
      assert.deepEqual([seen.field("x-latin"), seen.field("x-empty")], ["caf\xe9", ""]);
      assert.deepEqual([given.header("x-latin"), given.header("x-empty")], ["\xfcber", ""]);
    },
  },
  {
    promise: "bytes",
    says: "the answer to HEAD keeps its Content-Length, and the connection its place",
    source: "RFC 9110 §9.3.2",
    run: async ({ exchange }) => {
      const head = answer("200 OK", ["Content-Length: 1234"]);
      const { client, answer: given } = await exchange(request("HEAD /"), head, { method: "HEAD" });
      assert.equal(given.header("content-length"), "1234");
      const next = await exchange(get("/next"), OK, { client });
      assert.equal(next.answer.text, "ok");
    },
  },
];
