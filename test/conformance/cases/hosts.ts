/** Cases of the promise "bytes": Host, and targets that are whole URLs. */
import assert from "node:assert/strict";
import { type Case, get, request } from "../case.ts";
import { forwardedOrRefused } from "../outcomes.ts";

const PASSED: readonly (readonly [what: string, host: string, source: string])[] = [
  ["capitals and a port", "Example.TEST:8080", "RFC 9110 §7.2"],
  ["an IPv6 address", "[2001:db8::1]:81", "RFC 3986 §3.2.2"],
  ["an underscore", "a_b.test", "RFC 3986 §3.2.2: a registered name may hold it"],
];

const REFUSED: readonly (readonly [what: string, fields: readonly string[], source: string])[] = [
  ["without Host", [], "RFC 9112 §3.2"],
  ["with the same Host twice", ["Host: h", "Host: h"], "RFC 9112 §3.2"],
  ["with two Host fields of different case", ["Host: h", "hOST: other.test"], "RFC 9112 §3.2"],
  ["with a space in its Host", ["Host: h other.test"], "RFC 9112 §3.2: an invalid Host is a 400"],
  ["with a path in its Host", ["Host: h/a"], "RFC 9112 §3.2"],
  ["with a user in its Host", ["Host: u@other.test"], "RFC 9112 §3.2; uri-host has no userinfo"],
  ["with a Host whose port is no number", ["Host: h:8o"], "RFC 9112 §3.2"],
  ["with a Host of an open bracket", ["Host: [::1"], "RFC 9112 §3.2"],
];

function bare(requestLine: string, ...fields: readonly string[]): string {
  return [requestLine, ...fields, "", ""].join("\r\n");
}

/** A gateway may leave a URL as it is: every server must take it (RFC 9112 §3.2.2). */
function withoutAuthority(target: string): string {
  return target.replace(/^http:\/\/h(?=\/)/i, "");
}

export const hosts: readonly Case[] = [
  ...PASSED.map(
    ([what, host, source]): Case => ({
      promise: "bytes",
      says: `a Host of ${what} reaches the backend as it came`,
      source,
      run: async ({ exchange }) => {
        const { seen } = await exchange(bare("GET / HTTP/1.1", `Host: ${host}`));
        assert.equal(seen.field("host"), host);
      },
    }),
  ),
  ...REFUSED.map(
    ([what, fields, source]): Case => ({
      promise: "bytes",
      says: `a request ${what} is refused`,
      source,
      run: async ({ refused }) => {
        await refused(bare("GET / HTTP/1.1", ...fields));
      },
    }),
  ),
  {
    promise: "bytes",
    says: "an empty Host is never filled by the proxy: it passes, or is refused",
    source: "RFC 9112 §3.2: sent empty when the target has no authority",
    run: async (scene) => {
      const seen = await forwardedOrRefused(scene, bare("GET / HTTP/1.1", "Host:"));
      assert.equal(seen?.field("host") ?? "", "");
    },
  },
  {
    promise: "bytes",
    says: "a request of HTTP/1.0 without Host is forwarded, well-formed",
    source: "RFC 9112 §3.2: only HTTP/1.1 must have one",
    run: async ({ exchange }) => {
      // The backend of the suite takes no HTTP/1.1 without Host.
      const { answer } = await exchange(bare("GET / HTTP/1.0"));
      assert.equal(answer.status, 200);
    },
  },
  {
    promise: "bytes",
    says: "a target that is a URL reaches the backend with its host and path",
    source: "RFC 9112 §3.2.1, §3.2.2",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("http://h/a%2Fb?c"));
      assert.deepEqual([withoutAuthority(seen.target), seen.field("host")], ["/a%2Fb?c", "h"]);
    },
  },
  {
    promise: "bytes",
    says: "a URL whose host is not the Host is refused, or its host counts",
    source: "RFC 9112 §3.2.2; HAProxy refuses it since 2.6",
    run: async (scene) => {
      const seen = await forwardedOrRefused(scene, get("http://other.test:81/"));
      assert.deepEqual(seen?.fieldAll("host") ?? ["other.test:81"], ["other.test:81"]);
    },
  },
  {
    promise: "bytes",
    says: "the host of a URL replaces Host, where Host stood",
    source: "RFC 9112 §3.2.2",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(bare("GET http://Other.test:81/a?b HTTP/1.1", "X-A: 1", "Host: h"));
      assert.deepEqual([seen.target, seen.fieldAll("host")], ["/a?b", ["Other.test:81"]]);
      assert.deepEqual(seen.fieldAll("x-forwarded-host"), ["Other.test:81"]);
    },
  },
  {
    promise: "bytes",
    says: "a URL without a path keeps its query",
    source: "RFC 9112 §3.2.1: the path becomes /",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("http://h?a=/b"));
      assert.match(seen.target, /^(http:\/\/h)?\/\?a=\/b$/);
    },
  },
  {
    promise: "bytes",
    says: "the scheme of a URL may have capitals",
    source: "RFC 3986 §3.1",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("HTTP://h/a"));
      assert.equal(withoutAuthority(seen.target), "/a");
    },
  },
  {
    promise: "bytes",
    says: "OPTIONS of a URL without path and query asks the backend about itself, not about /",
    source: "RFC 9112 §3.2.4: the last proxy makes it *",
    run: async ({ exchange }) => {
      const { seen } = await exchange(request("OPTIONS http://h"));
      assert.match(seen.target, /^(\*|http:\/\/h)$/);
    },
  },
  {
    promise: "bytes",
    says: "the user of a URL is no part of the host that the backend sees",
    source: "RFC 9110 §4.2.4",
    run: async (scene) => {
      const seen = await forwardedOrRefused(scene, get("http://u:p@h/a"));
      assert.equal(seen?.field("host") ?? "h", "h");
    },
  },
  {
    promise: "bytes",
    says: "a URL in the target does not make up for a missing Host",
    source: "RFC 9112 §3.2",
    run: async ({ refused }) => {
      await refused(bare("GET http://h/ HTTP/1.1"));
    },
  },
];
