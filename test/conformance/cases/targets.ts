/** Cases of the promise "bytes": request targets and methods. */
import assert from "node:assert/strict";
import { type Case, get, request } from "../case.ts";
import { forwardedOrRefused } from "../outcomes.ts";

type Row = readonly [what: string, target: string, source: string];

const PASSED: readonly Row[] = [
  ["an empty query", "/a?", "RFC 3986 §6.2.3; lost where a URL class prints what it has parsed"],
  ["encoded letters", "/%61%7e?%41", "RFC 9110 §7.7: not even to an equivalent spelling"],
  ["encoded dot segments", "/a/b/%2e%2e/%2E/c", "RFC 9110 §7.7; CVE-2021-41773 (httpd)"],
  [
    "an encoded percent sign",
    "/%252e%252f?%25",
    "RFC 3986 §2.4: never decoded twice; CVE-2021-42013 (httpd)",
  ],
  ["spaces as %20 and as +", "/a%20b+c?d+e%20f", "RFC 9110 §7.7; WHATWG URL has two codings"],
  ["every sub-delimiter", "/!$&'()*+,;=:@-._~", "RFC 3986 §3.3"],
  ["a URL in its path", "/http://other.test:81/b@c", "RFC 3986 §3.3"],
  ["semicolons and repeated names in its query", "/?a=1;b=2&a=3&&=&a", "Go CVE-2022-2880"],
];

/** No URL can hold them: a proxy that refuses is as right as one that leaves them to the backend. */
const PASSED_OR_REFUSED: readonly Row[] = [
  ["characters that no URL may hold", '/a"<b>^`{c|}', "RFC 3986 §3.3"],
  ["a backslash", "/a\\..\\b", "RFC 3986 §3.3; WHATWG URL makes slashes of them"],
  ["broken escapes", "/%zz/%2", "RFC 3986 §2.1"],
];

/** Neither a path, a URL nor `*`. */
const REFUSED: readonly Row[] = [
  ["without a leading slash", "a/b", "RFC 9112 §3.2"],
  ["of a host and port", "h:80", "RFC 9112 §3.2.3: for CONNECT alone"],
  ["of a query alone", "?a=b", "RFC 9112 §3.2.1"],
  ["that begins with an @", "@other.test/", "CVE-2011-3368 (httpd): what stood before it became a user"],
];

const upperHalf = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 0x80 + i));

export const targets: readonly Case[] = [
  ...PASSED.map(
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
  ...PASSED_OR_REFUSED.map(
    ([what, target, source]): Case => ({
      promise: "bytes",
      says: `a target with ${what} is never changed: it passes as it came, or is refused`,
      source,
      run: async (scene) => {
        const seen = await forwardedOrRefused(scene, get(target));
        assert.equal(seen?.target ?? target, target);
      },
    }),
  ),
  ...REFUSED.map(
    ([what, target, source]): Case => ({
      promise: "bytes",
      says: `a target ${what} is refused`,
      source,
      run: async ({ refused }) => {
        await refused(get(target));
      },
    }),
  ),
  {
    promise: "bytes",
    says: "a path that begins with two slashes is a path, never an authority",
    source: "RFC 9112 §3.2.1; RFC 3986 §4.2: to a URL class it is another host",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("//other.test/a"));
      assert.deepEqual([seen.target, seen.field("host")], ["//other.test/a", "h"]);
    },
  },
  {
    promise: "bytes",
    says: "every byte from 0x80 to 0xff of a target reaches the backend as it came",
    source: "RFC 9112 §3.2 leaves it open; nginx passes them",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const target = `/${upperHalf}?${upperHalf}`;
      const { seen } = await exchange(get(target));
      assert.equal(seen.target, target);
    },
  },
  {
    promise: "bytes",
    says: "OPTIONS * reaches the backend as it came",
    source: "RFC 9112 §3.2.4",
    run: async ({ exchange }) => {
      const { seen } = await exchange(request("OPTIONS *"));
      assert.equal(seen.requestLine, "OPTIONS * HTTP/1.1");
    },
  },
  {
    promise: "bytes",
    says: "a method that nobody has registered reaches the backend as it came",
    source: "RFC 9110 §9.1, §16.1",
    run: async ({ exchange }) => {
      const { seen } = await exchange(request("FROBNICATE /"));
      assert.equal(seen.method, "FROBNICATE");
    },
  },
  {
    promise: "bytes",
    says: "a method in small letters is never made another: it passes as it came, or is refused",
    source: "RFC 9110 §9.1: case-sensitive",
    run: async (scene) => {
      const seen = await forwardedOrRefused(scene, request("get /"), [400, 405, 501]);
      assert.equal(seen?.method ?? "get", "get");
    },
  },
  {
    promise: "bytes",
    says: "a method of every character that a token may hold reaches the backend as it came",
    source: "RFC 9110 §5.6.2, §9.1",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(request("!#$%&'*+-.^_`|~0aZ /"));
      assert.equal(seen.method, "!#$%&'*+-.^_`|~0aZ");
    },
  },
];
