/** Each way to call against each kind of call: who it is, and what that one may do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdminTls } from "../../../../src/config/schema.ts";
import { accessRules, checkAccess } from "../../../../src/control-plane/admin/access.ts";
import { needRole } from "../../../../src/control-plane/admin/caller.ts";
import type { AdminCall } from "../../../../src/core/admin-call.ts";
import { ProxyError } from "../../../../src/core/errors.ts";
import { covers, ROLES, type Role } from "../../../../src/core/role.ts";

const TOKENS = [
  { name: "prom", role: "read", token: "s3cret-prom" },
  { name: "ci", role: "switch", token: "s3cret-ci" },
  { name: "oncall", role: "admin", token: "s3cret-oncall" },
] as const;
const NONE = { token: null, tokens: [], readAllow: ["192.0.2.7"], tls: null };
const NAMED = { ...NONE, tokens: TOKENS };
const BOTH = { ...NAMED, token: "s3cret-main" };
const withCertificates = (clientRole: Role): AdminTls => ({ cert: "", key: "", clientCa: "ca", clientRole });

interface Case {
  readonly what: string;
  readonly rules: Parameters<typeof accessRules>[0];
  readonly call?: Partial<AdminCall>;
  readonly bearer?: string;
  /** Per kind of call: the actor, or the code of the refusal. */
  readonly read: string;
  readonly change: string;
  readonly force: string;
}

const FAR = { remoteAddress: "203.0.113.9" };
const SOCKET = { remoteAddress: "", listener: "socket" } as const;
const FOREIGN_HOST = { host: "proxy.example", "content-type": "application/json" };

const CASES: readonly Case[] = [
  { what: "loopback", rules: NONE, read: "loopback", change: "loopback", force: "loopback" },
  { what: "the socket", rules: NONE, call: SOCKET, read: "socket", change: "socket", force: "socket" },
  {
    what: "the socket, any Host",
    rules: NONE,
    call: { ...SOCKET, headers: FOREIGN_HOST },
    read: "socket",
    change: "socket",
    force: "socket",
  },
  {
    what: "an allowed address",
    rules: NONE,
    call: { remoteAddress: "192.0.2.7" },
    read: "allow-list",
    change: "FORBIDDEN",
    force: "FORBIDDEN",
  },
  {
    what: "loopback without a token",
    rules: NAMED,
    read: "loopback",
    change: "UNAUTHORIZED",
    force: "UNAUTHORIZED",
  },
  {
    what: "the socket without a token",
    rules: NAMED,
    call: SOCKET,
    read: "socket",
    change: "UNAUTHORIZED",
    force: "UNAUTHORIZED",
  },
  {
    what: "the socket with one",
    rules: NAMED,
    call: SOCKET,
    bearer: "s3cret-ci",
    read: "socket",
    change: "token:ci",
    force: "FORBIDDEN",
  },
  {
    what: "role read",
    rules: NAMED,
    call: FAR,
    bearer: "s3cret-prom",
    read: "token:prom",
    change: "FORBIDDEN",
    force: "FORBIDDEN",
  },
  {
    what: "role switch",
    rules: BOTH,
    call: FAR,
    bearer: "s3cret-ci",
    read: "token:ci",
    change: "token:ci",
    force: "FORBIDDEN",
  },
  {
    what: "role admin",
    rules: BOTH,
    call: FAR,
    bearer: "s3cret-oncall",
    read: "token:oncall",
    change: "token:oncall",
    force: "token:oncall",
  },
  {
    what: "admin.token",
    rules: BOTH,
    call: FAR,
    bearer: "s3cret-main",
    read: "token",
    change: "token",
    force: "token",
  },
  ...["s3cret", "s3cret-c", "s3cret-cii", "S3CRET-CI", "ci", "prom"].map(
    (bearer): Case => ({
      what: `the token "${bearer}", which nobody has,`,
      rules: BOTH,
      call: FAR,
      bearer,
      read: "UNAUTHORIZED",
      change: "UNAUTHORIZED",
      force: "UNAUTHORIZED",
    }),
  ),
  ...ROLES.map(
    (role): Case => ({
      what: `a certificate of the role ${role}, with another's token and any Host,`,
      rules: { ...BOTH, tls: withCertificates(role) },
      call: { ...FAR, clientName: "deployer", headers: FOREIGN_HOST },
      bearer: role === "admin" ? "wrong" : "s3cret-main",
      read: "cert:deployer",
      change: role === "read" ? "FORBIDDEN" : "cert:deployer",
      force: role === "admin" ? "cert:deployer" : "FORBIDDEN",
    }),
  ),
  {
    what: "loopback without the certificate that is needed",
    rules: { ...NONE, tls: withCertificates("admin") },
    read: "FORBIDDEN",
    change: "FORBIDDEN",
    force: "FORBIDDEN",
  },
  {
    what: "loopback on the traffic port, where no certificate can be asked for,",
    rules: { ...NONE, tls: withCertificates("read") },
    call: { listener: "traffic" },
    read: "loopback",
    change: "loopback",
    force: "loopback",
  },
  {
    what: "TLS without client certificates, loopback",
    rules: { ...NONE, tls: { ...withCertificates("read"), clientCa: null } },
    read: "loopback",
    change: "loopback",
    force: "loopback",
  },
  {
    what: "TLS without client certificates, foreign Host",
    rules: { ...NONE, tls: { ...withCertificates("read"), clientCa: null } },
    call: { headers: FOREIGN_HOST },
    read: "FORBIDDEN",
    change: "FORBIDDEN",
    force: "FORBIDDEN",
  },
];

for (const { what, rules, call: changes = {}, bearer, ...expected } of CASES) {
  const headers = {
    host: "127.0.0.1:8081",
    "content-type": "application/json",
    ...changes.headers,
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
  };
  const call: AdminCall = {
    method: "POST",
    target: "/switch",
    body: "{}",
    remoteAddress: "127.0.0.1",
    listener: "admin",
    ...changes,
    headers,
  };
  const ways = {
    read: () => checkAccess(call, "read", accessRules(rules)),
    change: () => checkAccess(call, "change", accessRules(rules)),
    force: () => {
      const caller = checkAccess(call, "change", accessRules(rules));
      needRole(caller, "admin", "force");
      return caller;
    },
  };
  for (const [kind, ask] of Object.entries(ways)) {
    const gets = expected[kind as keyof typeof expected];
    test(`${what} gets ${gets} for ${kind}`, () => {
      try {
        assert.equal(ask().actor, gets);
      } catch (error) {
        assert.ok(error instanceof ProxyError, String(error));
        assert.equal(error.code, gets);
        assert.doesNotMatch(error.message, /s3cret/);
      }
    });
  }
}

test("a page of another origin is refused whoever's browser it runs in", () => {
  for (const changes of [SOCKET, { clientName: "deployer" }]) {
    const rules = accessRules({ ...NONE, tls: "clientName" in changes ? withCertificates("admin") : null });
    const headers = { ...FOREIGN_HOST, origin: "https://evil.example" };
    const call: AdminCall = {
      method: "POST",
      target: "/switch",
      body: "{}",
      remoteAddress: "127.0.0.1",
      listener: "admin",
      ...changes,
      headers,
    };
    assert.throws(() => checkAccess(call, "change", rules), /another origin/);
  }
});

test("a refusal names the role that is needed and the one that the caller has", () => {
  assert.throws(() => needRole({ actor: "token:ci", role: "switch" }, "admin", "force"), {
    code: "FORBIDDEN",
    message: "force needs the role admin; token:ci has the role switch",
  });
});

test("each role may do what those before it may, and no more", () => {
  for (const [i, role] of ROLES.entries()) {
    for (const [j, needed] of ROLES.entries())
      assert.equal(covers(role, needed), i >= j, `${role} ${needed}`);
  }
});
