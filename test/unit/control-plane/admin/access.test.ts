import assert from "node:assert/strict";
import { test } from "node:test";
import { accessRules, checkAccess, type Need } from "../../../../src/control-plane/admin/access.ts";
import type { Actor } from "../../../../src/control-plane/admin/caller.ts";
import type { AdminCall } from "../../../../src/core/admin-call.ts";
import { type ErrorCode, ProxyError, StartError } from "../../../../src/core/errors.ts";

const TOKEN = "s3cret-tökén";
/** A field as Node gives it: the bytes of UTF-8 read as Latin-1. */
const bearer = (token: string) => `Bearer ${Buffer.from(token).toString("latin1")}`;
const READ_ALLOW = ["10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "fe80::/10"];
/** The admin config as it is without any of its keys. */
const BARE = { token: null, tokens: [], readAllow: [], tls: null };
const JSON_TYPE = { "content-type": "application/json" };

interface Case {
  readonly what: string;
  readonly needs: Need;
  readonly from?: string;
  readonly headers?: AdminCall["headers"];
  readonly token?: string;
  readonly gets: Actor | ErrorCode;
}

const LOCAL = { host: "127.0.0.1:8081" };
const CHANGE = { ...LOCAL, ...JSON_TYPE };

const CASES: readonly Case[] = [
  // Open
  { what: "anybody", needs: "open", from: "203.0.113.9", headers: {}, gets: "anyone" },

  // Loopback, no token
  { what: "loopback", needs: "change", headers: CHANGE, gets: "loopback" },
  { what: "loopback reads", needs: "read", headers: LOCAL, gets: "loopback" },
  { what: "all of 127.0.0.0/8", needs: "change", from: "127.200.3.4", headers: CHANGE, gets: "loopback" },
  { what: "::1", needs: "change", from: "::1", headers: CHANGE, gets: "loopback" },
  { what: "another address", needs: "change", from: "10.9.0.1", headers: CHANGE, gets: "FORBIDDEN" },
  { what: "another address reads", needs: "read", from: "10.9.0.1", headers: LOCAL, gets: "FORBIDDEN" },
  { what: "128.0.0.1", needs: "read", from: "128.0.0.1", headers: LOCAL, gets: "FORBIDDEN" },
  { what: "a socket without an address", needs: "read", from: "", headers: LOCAL, gets: "FORBIDDEN" },
  { what: "126.255.255.255", needs: "change", from: "126.255.255.255", headers: CHANGE, gets: "FORBIDDEN" },
  {
    what: "a token that nobody asked for",
    needs: "change",
    from: "10.9.0.1",
    headers: { ...CHANGE, authorization: bearer(TOKEN) },
    gets: "FORBIDDEN",
  },

  // Host of a call without a token
  ...["localhost", "LOCALHOST:8081", "127.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:8081"].map(
    (host): Case => ({
      what: `Host ${host}`,
      needs: "change",
      headers: { ...JSON_TYPE, host },
      gets: "loopback",
    }),
  ),
  ...[
    undefined,
    "",
    "evil.example",
    "evil.example:8081",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost:8081:1",
    "evil@localhost",
    "127.0.0.1:port",
    "127.1",
    "[::1].evil.example",
    "[evil.example]",
    "::1",
  ].flatMap((host): Case[] => {
    const headers = host === undefined ? JSON_TYPE : { ...JSON_TYPE, host };
    return [
      { what: `Host ${host}`, needs: "change", headers, gets: "FORBIDDEN" },
      { what: `Host ${host}`, needs: "read", headers, gets: "FORBIDDEN" },
    ];
  }),

  // Token set
  {
    what: "loopback without the token",
    needs: "change",
    token: TOKEN,
    headers: CHANGE,
    gets: "UNAUTHORIZED",
  },
  { what: "loopback reads without it", needs: "read", token: TOKEN, headers: LOCAL, gets: "loopback" },
  {
    what: "loopback reads with a wrong one",
    needs: "read",
    token: TOKEN,
    headers: { ...LOCAL, authorization: "Bearer wrong" },
    gets: "loopback",
  },
  {
    what: "loopback reads, Host foreign",
    needs: "read",
    token: TOKEN,
    headers: { host: "evil.example" },
    gets: "UNAUTHORIZED",
  },
  {
    what: "the token, any Host",
    needs: "read",
    token: TOKEN,
    headers: { host: "proxy.example", authorization: bearer(TOKEN) },
    gets: "token",
  },
  {
    what: "another address",
    needs: "read",
    token: TOKEN,
    from: "10.9.0.1",
    headers: LOCAL,
    gets: "UNAUTHORIZED",
  },
  {
    what: "the token from afar",
    needs: "change",
    token: TOKEN,
    from: "203.0.113.9",
    headers: { ...JSON_TYPE, host: "proxy.example", authorization: bearer(TOKEN) },
    gets: "token",
  },
  {
    what: "the token, scheme in lower case",
    needs: "change",
    token: TOKEN,
    headers: { ...CHANGE, authorization: bearer(TOKEN).replace("Bearer", "bearer") },
    gets: "token",
  },
  ...[
    "Bearer wrong",
    "Bearer",
    "Bearer ",
    `Basic ${TOKEN}`,
    TOKEN,
    `${bearer(TOKEN)}x`,
    bearer(TOKEN).slice(0, -1),
  ].map(
    (authorization): Case => ({
      what: `Authorization ${authorization}`,
      needs: "change",
      token: TOKEN,
      headers: { ...CHANGE, authorization },
      gets: "UNAUTHORIZED",
    }),
  ),

  // admin.read_allow
  ...["10.1.2.3", "192.0.2.7", "2001:db8::9", "fe80::1%eth0"].flatMap((from): Case[] => [
    {
      what: "an allowed address reads",
      needs: "read",
      from,
      headers: { host: "proxy.example" },
      gets: "allow-list",
    },
    { what: "an allowed address", needs: "change", from, headers: CHANGE, gets: "FORBIDDEN" },
    {
      what: "an allowed address",
      needs: "change",
      from,
      token: TOKEN,
      headers: CHANGE,
      gets: "UNAUTHORIZED",
    },
  ]),
  ...["10.2.0.1", "192.0.2.8", "2001:db9::1"].map(
    (from): Case => ({
      what: "a neighbour of an allowed one",
      needs: "read",
      from,
      headers: LOCAL,
      gets: "FORBIDDEN",
    }),
  ),

  // Origin
  {
    what: "own Origin",
    needs: "change",
    headers: { ...CHANGE, origin: "http://127.0.0.1:8081" },
    gets: "loopback",
  },
  {
    what: "own Origin, TLS",
    needs: "change",
    headers: { ...CHANGE, origin: "https://127.0.0.1:8081" },
    gets: "loopback",
  },
  ...[
    "http://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:9999",
    "http://localhost:8081",
    "http://127.0.0.1:8081.evil.example",
    "ftp://127.0.0.1:8081",
    "null",
    "",
  ].flatMap((origin): Case[] => [
    { what: `Origin ${origin}`, needs: "change", headers: { ...CHANGE, origin }, gets: "FORBIDDEN" },
    {
      what: `Origin ${origin} with the token`,
      needs: "change",
      token: TOKEN,
      headers: { ...CHANGE, origin, authorization: bearer(TOKEN) },
      gets: "FORBIDDEN",
    },
    { what: `Origin ${origin} reads`, needs: "read", headers: { ...LOCAL, origin }, gets: "loopback" },
  ]),

  {
    what: "an Origin without a Host to compare it with",
    needs: "change",
    token: TOKEN,
    headers: { ...JSON_TYPE, origin: "http://undefined", authorization: bearer(TOKEN) },
    gets: "FORBIDDEN",
  },

  // Content-Type
  ...[
    "application/json; charset=utf-8",
    "application/json;charset=utf-8",
    "Application/JSON",
    "application/json ;a=b",
  ].map(
    (type): Case => ({
      what: `Content-Type ${type}`,
      needs: "change",
      headers: { ...LOCAL, "content-type": type },
      gets: "loopback",
    }),
  ),
  ...[
    undefined,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "text/plain;application/json",
    "application/json, text/plain",
  ].map(
    (type): Case => ({
      what: `Content-Type ${type}`,
      needs: "change",
      headers: type === undefined ? LOCAL : { ...LOCAL, "content-type": type },
      gets: "UNSUPPORTED_MEDIA_TYPE",
    }),
  ),

  // Order: access, then Origin, then Content-Type
  {
    what: "no token, foreign Origin, no Content-Type",
    needs: "change",
    token: TOKEN,
    headers: { host: "evil.example", origin: "http://evil" },
    gets: "UNAUTHORIZED",
  },
  {
    what: "foreign Origin, no Content-Type",
    needs: "change",
    headers: { ...LOCAL, origin: "null" },
    gets: "FORBIDDEN",
  },
];

for (const { what, needs, from = "127.0.0.1", headers = {}, token = null, gets } of CASES) {
  test(`${needs}, ${token === null ? "no token set" : "token set"}, from ${from}: ${what} gets ${gets}`, () => {
    const rules = accessRules({ ...BARE, token, readAllow: READ_ALLOW });
    const call: AdminCall = {
      method: "POST",
      target: "/switch",
      headers,
      body: "{}",
      remoteAddress: from,
      listener: "traffic",
    };
    try {
      assert.equal(checkAccess(call, needs, rules).actor, gets);
    } catch (error) {
      assert.ok(error instanceof ProxyError, String(error));
      assert.equal(error.code, gets);
      assert.doesNotMatch(error.message, /s3cret/);
    }
  });
}

test("a 403 says what to set", () => {
  const rules = accessRules(BARE);
  const call: AdminCall = {
    method: "GET",
    target: "/status",
    headers: { host: "10.0.0.1" },
    body: "",
    remoteAddress: "10.0.0.2",
    listener: "traffic",
  };
  assert.throws(() => checkAccess(call, "read", rules), /admin\.read_allow.*admin\.token/);
  assert.throws(() => checkAccess(call, "change", rules), /admin\.token/);
});

for (const entry of [
  "",
  "localhost",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/-1",
  "::/129",
  "10.0.0.0/8/8",
  "10.0.0",
]) {
  test(`"${entry}" in admin.read_allow is refused at the start`, () => {
    assert.throws(() => accessRules({ ...BARE, readAllow: [entry] }), StartError);
  });
}
