/** Cases of the promise "hop-by-hop": what the backend is told of the client. */
import assert from "node:assert/strict";
import { type Case, get } from "../case.ts";
import type { SeenRequest } from "../seen-request.ts";

/** Who the client is, when the connection comes from a trusted 127.0.0.1. */
const WALKS: readonly (readonly [what: string, forwardedFor: string, client: string])[] = [
  ["the first address from the right that is not trusted", "192.0.2.1, 203.0.113.7", "203.0.113.7"],
  ["that address also behind one that is trusted", "192.0.2.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"],
  ["the leftmost address when all are trusted", "10.0.0.9, 10.1.2.3", "10.0.0.9"],
  ["an address without the port that came with it", "203.0.113.7:4711", "203.0.113.7"],
  ["an IPv6 address without its brackets and quotes", '"[2001:db8::7]:4711"', "2001:db8::7"],
  ["never an address left of what is none", "192.0.2.1, unknown, 10.1.2.3", "10.1.2.3"],
];

function said(seen: SeenRequest): Record<string, string> {
  const names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded"];
  return Object.fromEntries(names.map((name) => [name, seen.fieldAll(name).join(", ")]));
}

/** Without its last parameter, which is the daemon's name. */
function lastElement(seen: SeenRequest): string {
  const elements = (seen.field("forwarded") ?? "").split(", ");
  return (elements.at(-1) ?? "").replace(/;by=_[\w.-]+$/, "");
}

export const forwarded: readonly Case[] = [
  ...WALKS.map(
    ([what, forwardedFor, client]): Case => ({
      promise: "hop-by-hop",
      says: `X-Real-IP is ${what}`,
      source: "RFC 7239 §8.1: from the right; nginx's real_ip_recursive",
      profile: "trusting",
      daemonOnly: true,
      run: async ({ exchange }) => {
        const { seen } = await exchange(get("/", `X-Forwarded-For: ${forwardedFor}`));
        assert.equal(seen.field("x-real-ip"), client);
        assert.equal(seen.field("x-forwarded-for"), `${forwardedFor}, 127.0.0.1`);
      },
    }),
  ),
  {
    promise: "hop-by-hop",
    says: "several X-Forwarded-For are one list, in their order",
    source: "RFC 9110 §5.3; a second field must not hide from whoever reads the first",
    run: async ({ exchange }) => {
      const { seen } = await exchange(
        get("/", "X-Forwarded-For: 192.0.2.1, 192.0.2.2", "X-A: 1", "x-forwarded-for: 192.0.2.3"),
      );
      const list = seen.fieldAll("x-forwarded-for").join(", ");
      assert.match(list, /^(192\.0\.2\.1, 192\.0\.2\.2, 192\.0\.2\.3, )?127\.0\.0\.1$/);
    },
  },
  {
    promise: "hop-by-hop",
    says: "X-Forwarded-Proto and -Host of anybody are replaced, however often they came",
    source: "RFC 7239 §8.1; links in mails are made of them",
    run: async ({ exchange }) => {
      const spoofed = ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test"];
      const { seen } = await exchange(get("/", ...spoofed, ...spoofed.map((line) => line.toLowerCase())));
      assert.deepEqual(seen.fieldAll("x-forwarded-proto"), ["http"]);
      assert.deepEqual(seen.fieldAll("x-forwarded-host"), ["h"]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "X-Forwarded-Proto and -Host of a trusted proxy are kept",
    source: "what a proxy behind a TLS terminator is for",
    profile: "trusting",
    needs: "trusted_proxies",
    run: async ({ exchange }) => {
      const { seen } = await exchange(
        get(
          "/",
          "X-Forwarded-Proto: https",
          "X-Forwarded-Host: example.test:8443",
          "X-Forwarded-For: 192.0.2.1",
        ),
      );
      assert.deepEqual(seen.fieldAll("x-forwarded-proto"), ["https"]);
      assert.deepEqual(seen.fieldAll("x-forwarded-host"), ["example.test:8443"]);
      assert.equal(seen.fieldAll("x-forwarded-for").join(", "), "192.0.2.1, 127.0.0.1");
    },
  },
  {
    promise: "hop-by-hop",
    says: "a peer that is not in the trust list is not believed, beside one that is",
    source: "CIDR 127.0.0.1/32 holds 127.0.0.1 alone",
    profile: "trusting",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open({ localAddress: "127.0.0.2" });
      const spoofed = ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test", "X-Real-IP: 192.0.2.9"];
      client.send(get("/", ...spoofed, "X-Forwarded-For: 192.0.2.1"));
      const seen = await backend.request();
      seen.answer("HTTP/1.1 204 No Content\r\n\r\n");
      const { forwarded: _, ...rest } = said(seen);
      assert.deepEqual(rest, {
        "x-forwarded-for": "192.0.2.1, 127.0.0.2",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "h",
        "x-real-ip": "127.0.0.2",
      });
    },
  },
  {
    promise: "hop-by-hop",
    says: "X-Real-IP is the client's address, whatever the client says that it is",
    source: "nginx's X-Real-IP; spoofed, it passes rate limits and allow-lists",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "X-Real-IP: 192.0.2.1", "x-real-ip: 192.0.2.2"));
      assert.deepEqual(seen.fieldAll("x-real-ip"), ["127.0.0.1"]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "the backend is told of the client in Forwarded, with Host quoted where it must be",
    source: "RFC 7239 §4",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(get());
      assert.equal(lastElement(seen), "for=127.0.0.1;host=h;proto=http");
      const other = await exchange("GET / HTTP/1.1\r\nHost: [::1]:81\r\n\r\n");
      assert.equal(lastElement(other.seen), 'for=127.0.0.1;host="[::1]:81";proto=http');
    },
  },
  {
    promise: "hop-by-hop",
    says: "Forwarded that came stays in front of the proxy's own element, quoted commas and all",
    source: "RFC 7239 §4: appended",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const came = 'for="a,b";proto=https, for=_x';
      const { seen } = await exchange(get("/", `Forwarded: ${came}`));
      const [value = "", ...more] = seen.fieldAll("forwarded");
      assert.deepEqual(more, []);
      assert.ok(value.startsWith(`${came}, for=127.0.0.1;`), value);
    },
  },
  {
    promise: "hop-by-hop",
    says: "the client of a trusted proxy is found in Forwarded too, right of an open quote",
    source: "RFC 7239 §4, §8.1",
    profile: "trusting",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", 'Forwarded: for="192.0.2.1, for=203.0.113.7;proto=https'));
      assert.equal(seen.field("x-real-ip"), "203.0.113.7");
    },
  },
  {
    promise: "hop-by-hop",
    says: "with forwarded_headers: off the backend is told nothing of the client, by nobody",
    source: "the daemon's config",
    profile: "silent",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const spoofed = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded"];
      const { seen } = await exchange(get("/", ...spoofed.map((name) => `${name}: for=192.0.2.1`)));
      assert.deepEqual(seen.names, ["Host"]);
    },
  },
];
