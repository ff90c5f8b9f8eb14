/** Who may call: loopback by the socket's own address, or the token; never what a header claims. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onTestEnd } from "../../support/cleanup.ts";
import { type Reply, request } from "../../support/http-client.ts";
import { hasIpv6Loopback, ownAddress } from "../../support/own-address.ts";
import { startPair } from "../../support/pair.ts";
import { type AdminOptions, runDaemon } from "../../support/proxy.ts";
import { removeDir } from "../../support/temp-dir.ts";

const TOKEN = "kX7-a-secret-that-nobody-guesses";
const foreign = ownAddress();
const isNeeded = foreign === undefined ? "needs an address of this machine besides loopback" : false;

const EVERYWHERE = { server: { host: "0.0.0.0" }, admin: { host: "0.0.0.0" } };
const open = await startPair({ after }, { workers: 2, config: EVERYWHERE });
const guarded = await startPair({ after }, { config: EVERYWHERE, env: { ADMIN_TOKEN: TOKEN } });

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const elsewhere = foreign === undefined ? {} : { host: foreign, localAddress: foreign };

/** The same call on both listeners. */
async function onBoth(
  { proxy }: typeof open,
  method: string,
  path: string,
  options: AdminOptions,
): Promise<readonly Reply[]> {
  return [await proxy.admin(method, path, options), await proxy.adminOnTrafficPort(method, path, options)];
}

async function assertEpoch({ proxy }: typeof open, epoch: number): Promise<void> {
  const reply = await proxy.admin("GET", "/status", { headers: bearer(TOKEN) });
  assert.equal(reply.json().epoch, epoch);
}

function assertBackendsSawNothing({ v1, v2 }: typeof open): void {
  const calls = [...v1.requests, ...v2.requests].filter(({ url }) =>
    /^\/(switch|status|metrics|rollback|history)/.test(url),
  );
  assert.deepEqual(calls, []);
}

test("without a token loopback may read and change, on both ports", { timeout: 20_000 }, async () => {
  for (const reply of await onBoth(open, "GET", "/status", {})) assert.equal(reply.status, 200);
  for (const reply of await onBoth(open, "GET", "/metrics", {})) assert.equal(reply.status, 200);
  for (const reply of await onBoth(open, "POST", "/switch", { body: { version: "v1" } })) {
    assert.equal(reply.status, 200, reply.body);
  }
});

test("any address of 127.0.0.0/8 is loopback", { timeout: 20_000 }, async () => {
  const from = { host: "127.0.0.1", localAddress: "127.0.0.9" };
  for (const reply of await onBoth(open, "GET", "/status", from)) assert.equal(reply.status, 200);
});

test("a Host that is an IP address or localhost is fine, with and without a port", {
  timeout: 20_000,
}, async () => {
  for (const host of [
    "127.0.0.1",
    "127.0.0.1:1234",
    "localhost",
    "LOCALHOST:80",
    "[::1]",
    "[::1]:8080",
    "10.1.2.3:80",
  ]) {
    for (const reply of await onBoth(open, "GET", "/status", { headers: { host } })) {
      assert.equal(reply.status, 200, `${host}: ${reply.body}`);
    }
    for (const reply of await onBoth(open, "POST", "/switch", {
      headers: { host },
      body: { version: "v1" },
    })) {
      assert.equal(reply.status, 200, `${host}: ${reply.body}`);
    }
  }
});

test("a foreign Host is 403, so that a page cannot rebind its name to loopback", {
  timeout: 20_000,
}, async () => {
  for (const host of [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
  ]) {
    for (const path of ["/status", "/metrics"]) {
      for (const reply of await onBoth(open, "GET", path, { headers: { host } })) {
        assert.equal(reply.status, 403, `${host} ${path}: ${reply.body}`);
        assert.equal(reply.json().code, "FORBIDDEN");
      }
    }
    for (const reply of await onBoth(open, "POST", "/switch", {
      headers: { host },
      body: { version: "v2" },
    })) {
      assert.equal(reply.status, 403, host);
    }
  }
  await assertEpoch(open, 0);
  assertBackendsSawNothing(open);
});

test("from another address every call without a token is 403 with what to set, and the backend never sees it", {
  timeout: 20_000,
  skip: isNeeded,
}, async () => {
  for (const [method, path] of [
    ["GET", "/status"],
    ["GET", "/metrics"],
    ["POST", "/switch"],
  ] as const) {
    const options = method === "POST" ? { ...elsewhere, body: { version: "v2" } } : elsewhere;
    for (const reply of await onBoth(open, method, path, options)) {
      assert.equal(reply.status, 403, `${method} ${path}: ${reply.body}`);
      assert.match(String(reply.headers["content-type"]), /problem\+json/);
      assert.match(String(reply.json().message), /admin\.token/);
      if (method === "GET") assert.match(String(reply.json().message), /admin\.read_allow/);
    }
  }
  for (const path of ["/", "/history"]) {
    assert.equal((await open.proxy.admin("GET", path, elsewhere)).status, 403, path);
  }
  assert.equal((await open.proxy.admin("POST", "/rollback", { ...elsewhere, body: {} })).status, 403);
  await assertEpoch(open, 0);
  assertBackendsSawNothing(open);
});

test("traffic from another address is forwarded as ever", { timeout: 20_000, skip: isNeeded }, async () => {
  const reply = await request(open.proxy.port, { path: "/from-elsewhere", ...elsewhere });
  assert.deepEqual([reply.status, reply.body], [200, "v1"]);
});

test("no header turns a stranger into loopback", { timeout: 20_000, skip: isNeeded }, async () => {
  const claims = {
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
    forwarded: "for=127.0.0.1",
    "x-client-ip": "127.0.0.1",
    "true-client-ip": "::1",
    host: "localhost",
    via: "1.1 localhost",
  };
  for (const reply of await onBoth(open, "POST", "/switch", {
    ...elsewhere,
    headers: claims,
    body: { version: "v2" },
  })) {
    assert.equal(reply.status, 403);
  }
  for (const reply of await onBoth(open, "GET", "/status", { ...elsewhere, headers: claims })) {
    assert.equal(reply.status, 403);
  }
  await assertEpoch(open, 0);
});

test("no header turns loopback into a stranger", { timeout: 20_000 }, async () => {
  const headers = { "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" };
  for (const reply of await onBoth(open, "GET", "/status", { headers })) assert.equal(reply.status, 200);
});

test("/livez and /readyz are open to all and say next to nothing", { timeout: 20_000 }, async () => {
  for (const pair of [open, guarded]) {
    for (const path of ["/livez", "/readyz"]) {
      for (const options of [{}, elsewhere, { headers: { host: "evil.example" } }]) {
        const reply = await pair.proxy.admin("GET", path, options);
        assert.deepEqual([reply.status, reply.body], [200, "ok\n"], path);
      }
    }
  }
});

test("with a token every change needs it, loopback too: 401 with WWW-Authenticate", {
  timeout: 20_000,
}, async () => {
  const wrong: Record<string, string>[] = [
    {},
    bearer("wrong"),
    bearer(TOKEN.slice(0, -1)),
    bearer(`${TOKEN}x`),
    { authorization: TOKEN },
    { authorization: `Basic ${Buffer.from(`admin:${TOKEN}`).toString("base64")}` },
    { authorization: "Bearer" },
    { authorization: "Bearer " },
    { "x-token": TOKEN },
  ];
  for (const headers of wrong) {
    for (const reply of await onBoth(guarded, "POST", "/switch", { headers, body: { version: "v2" } })) {
      assert.equal(reply.status, 401, `${JSON.stringify(headers)}: ${reply.body}`);
      assert.match(String(reply.headers["www-authenticate"]), /^Bearer/);
      assert.equal(reply.json().success, false);
      assert.ok(!reply.body.includes(TOKEN));
    }
    assert.equal((await guarded.proxy.admin("POST", "/rollback", { headers, body: {} })).status, 401);
  }
  await assertEpoch(guarded, 0);
  assertBackendsSawNothing(guarded);
});

test("with a token reading stays open to loopback, and needs it from elsewhere", {
  timeout: 20_000,
}, async () => {
  for (const path of ["/status", "/metrics"]) {
    for (const reply of await onBoth(guarded, "GET", path, {})) assert.equal(reply.status, 200);
    for (const reply of await onBoth(guarded, "GET", path, { headers: { host: "evil.example" } })) {
      assert.equal(reply.status, 401);
    }
    const headers = { ...bearer(TOKEN), host: "proxy.example" };
    for (const reply of await onBoth(guarded, "GET", path, { headers })) assert.equal(reply.status, 200);
    if (foreign === undefined) continue;
    for (const reply of await onBoth(guarded, "GET", path, elsewhere)) assert.equal(reply.status, 401);
    for (const reply of await onBoth(guarded, "GET", path, { ...elsewhere, headers })) {
      assert.equal(reply.status, 200);
    }
  }
});

test("the right token switches, from anywhere and under any Host; the scheme's case does not matter", {
  timeout: 20_000,
}, async () => {
  const { proxy } = guarded;
  const calls: AdminOptions[] = [
    { headers: bearer(TOKEN) },
    { headers: { authorization: `bearer ${TOKEN}`, host: "proxy.example" } },
    { headers: { authorization: `BEARER  ${TOKEN}` } },
    { ...elsewhere, headers: bearer(TOKEN) },
  ];
  for (const [i, options] of calls.entries()) {
    const body = { version: i % 2 === 0 ? "v2" : "v1" };
    const reply = await proxy.admin("POST", "/switch", { ...options, body });
    assert.equal(reply.status, 200, reply.body);
    assert.equal(reply.json().epoch, i + 1);
  }
  const { entries } = (await proxy.admin("GET", "/history")).json() as { entries: { actor: string }[] };
  assert.ok(entries.every(({ actor }) => actor === "token"));
});

test("a page of another origin may not switch, whatever it sends", { timeout: 20_000 }, async () => {
  for (const origin of [
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost",
    "file://",
  ]) {
    for (const reply of await onBoth(open, "POST", "/switch", {
      headers: { origin },
      body: { version: "v2" },
    })) {
      assert.equal(reply.status, 403, `${origin}: ${reply.body}`);
    }
    const withToken = { headers: { origin, ...bearer(TOKEN) }, body: { version: "v1" } };
    assert.equal((await guarded.proxy.admin("POST", "/switch", withToken)).status, 403, origin);
  }
  const own = {
    origin: `http://127.0.0.1:${open.proxy.adminPort}`,
    host: `127.0.0.1:${open.proxy.adminPort}`,
  };
  const reply = await open.proxy.admin("POST", "/switch", { headers: own, body: { version: "v1" } });
  assert.equal(reply.status, 200, reply.body);
  const preflight = await open.proxy.admin("OPTIONS", "/switch", {
    headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
  });
  assert.equal(preflight.status, 405);
  assert.equal(preflight.headers["access-control-allow-origin"], undefined);
});

test("a change needs Content-Type: application/json: 415, which no form of a page can send", {
  timeout: 20_000,
}, async () => {
  const body = JSON.stringify({ version: "v2" });
  const types = [
    undefined,
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json-patch+json",
    "text/plain; application/json",
    "",
  ];
  for (const type of types) {
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    for (const reply of await onBoth(open, "POST", "/switch", { body, headers })) {
      assert.equal(reply.status, 415, `${type}: ${reply.body}`);
    }
  }
  for (const type of [
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/json;charset=UTF-8",
  ]) {
    const options = { body: '{"version":"v1"}', headers: { "content-type": type } };
    for (const reply of await onBoth(open, "POST", "/switch", options)) assert.equal(reply.status, 200, type);
  }
  await assertEpoch(open, 0);
});

test("a header of the call that comes twice is refused: two readers could believe different ones", {
  timeout: 20_000,
}, async () => {
  const headers = { authorization: [`Bearer ${TOKEN}`, "Bearer wrong"] };
  const reply = await guarded.proxy.admin("POST", "/switch", {
    headers: { "content-type": "application/json", ...headers } as Record<string, string | string[]>,
    body: JSON.stringify({ version: "v1" }),
  });
  assert.ok([400, 401].includes(reply.status), reply.body);
});

test("on an IPv6 socket an IPv4 client is who it is: loopback, a stranger, or one of read_allow", {
  timeout: 40_000,
  skip: hasIpv6Loopback() ? isNeeded : "needs IPv6",
}, async (t) => {
  const both = { server: { host: "::" }, admin: { host: "::" } };
  const strict = await startPair(t, { config: both });
  const mild = await startPair(t, {
    config: { ...both, admin: { host: "::", read_allow: [`${foreign}/32`] } },
  });
  for (const host of ["127.0.0.1", "::1"]) {
    for (const reply of await onBoth(strict, "GET", "/status", { host }))
      assert.equal(reply.status, 200, host);
    for (const reply of await onBoth(strict, "POST", "/switch", { host, body: { version: "v1" } })) {
      assert.equal(reply.status, 200, host);
    }
  }
  for (const reply of await onBoth(strict, "GET", "/status", elsewhere)) assert.equal(reply.status, 403);
  for (const reply of await onBoth(mild, "GET", "/status", elsewhere))
    assert.equal(reply.status, 200, reply.body);
  for (const pair of [strict, mild]) {
    for (const reply of await onBoth(pair, "POST", "/switch", { ...elsewhere, body: { version: "v2" } })) {
      assert.equal(reply.status, 403, "read_allow never lets anybody change");
    }
  }
});

test("the token is printed nowhere: not in logs, /status, /metrics, /history or check", {
  timeout: 30_000,
}, async () => {
  const { proxy } = guarded;
  for (const path of ["/", "/status", "/metrics", "/history"]) {
    const reply = await proxy.admin("GET", path, { headers: bearer(TOKEN) });
    assert.ok(!reply.body.includes(TOKEN), path);
  }
  const wrong = "a-wrong-token-that-is-near";
  await proxy.admin("POST", "/switch", { headers: bearer(wrong), body: { version: "v1" } });
  assert.ok(!proxy.output().includes(TOKEN));
  assert.ok(!proxy.output().includes(wrong));
  const checked = await runDaemon(["check", "--config", proxy.configFile], { env: { ADMIN_TOKEN: TOKEN } });
  assert.equal(checked.code, 0, checked.stderr);
  assert.match(checked.stdout, /tokens: token \(admin\)$/m);
  assert.ok(!(checked.stdout + checked.stderr).includes(TOKEN));
});

test("no worker inherits the token of the environment", { timeout: 20_000 }, async (t) => {
  const { proxy } = await startPair(t, { workers: 2, env: { ADMIN_TOKEN: TOKEN } });
  const { status } = await proxy.admin("POST", "/switch", { body: { version: "v2" } });
  assert.equal(status, 401, "it is the daemon's");
  for (const pid of await proxy.workerPids()) {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    assert.match(environment, /NODE_UNIQUE_ID=/);
    assert.ok(!environment.includes(TOKEN));
  }
});

test("admin.token_file holds the token, with or without a newline at its end", {
  timeout: 30_000,
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-token-"));
  onTestEnd(t, () => removeDir(dir));
  await writeFile(join(dir, "token"), `${TOKEN}\n`, { mode: 0o600 });
  const pair = await startPair(t, { config: { admin: { token_file: join(dir, "token") } } });
  assert.equal((await pair.proxy.admin("POST", "/switch", { body: { version: "v2" } })).status, 401);
  const reply = await pair.proxy.admin("POST", "/switch", {
    headers: bearer(TOKEN),
    body: { version: "v2" },
  });
  assert.equal(reply.status, 200, reply.body);
  assert.ok(!pair.proxy.output().includes(TOKEN));
});
