/** Which paths of the traffic port are ours: exactly three, and everything that only resembles them is the backend's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { request } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { openRaw } from "../../support/raw-client.ts";
import { withLimit } from "../../support/wait.ts";

const { v1, proxy } = await startPair({ after }, { workers: 2 });
const OURS = ["/switch", "/status", "/metrics"];

function backendSaw(part: string): boolean {
  return v1.requests.some(({ url }) => url.includes(part));
}

test("/status and /metrics answer on the traffic port as on the admin listener", {
  timeout: 20_000,
}, async () => {
  const status = await request(proxy.port, { path: "/status" });
  assert.equal(status.status, 200);
  assert.equal(status.json().current_version, "v1");
  assert.equal(status.headers["cache-control"], "no-store");
  const metrics = await request(proxy.port, { path: "/metrics" });
  assert.equal(metrics.status, 200);
  assert.match(metrics.body, /^traffic_switching_switch_epoch 0$/m);
});

test("the three paths are ours whatever the query", { timeout: 20_000 }, async () => {
  assert.equal((await request(proxy.port, { path: "/status?a=b&mine=1" })).json().current_version, "v1");
  assert.match((await request(proxy.port, { path: "/metrics?mine=2" })).body, /traffic_switching_/);
  assert.equal((await request(proxy.port, { path: "/status?" })).json().current_version, "v1");
  assert.equal((await request(proxy.port, { path: "/switch?mine=3" })).status, 405);
  assert.ok(!backendSaw("mine="));
});

test("the three paths are ours whatever the method: 405 with Allow, never the backend", {
  timeout: 20_000,
}, async () => {
  const before = v1.requests.length;
  for (const path of OURS) {
    const allowed = path === "/switch" ? ["POST"] : ["GET", "HEAD"];
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
      if (allowed.includes(method)) continue;
      const reply = await request(proxy.port, { method, path });
      assert.equal(reply.status, 405, `${method} ${path}: ${reply.status} ${reply.body}`);
      assert.equal(reply.headers.allow, allowed.join(", "));
    }
  }
  assert.equal(v1.requests.length, before);
});

test("look-alikes are the backend's, byte for byte", { timeout: 20_000 }, async () => {
  const lookAlikes = [
    "/switch/",
    "//switch",
    "/%73witch",
    "/SWITCH",
    "/Status",
    "/metrics/x",
    "/status/",
    "/status;x=1",
    "/status%3Fx",
    "/./status",
    "/a/../status",
    "/status/../switch",
    "/switch%00",
    "/switchy",
    "/rollback",
    "/history",
    "/livez",
    "/readyz",
    "/",
  ];
  for (const path of lookAlikes) {
    const client = await openRaw(proxy.port);
    client.send(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`);
    const { status, text } = await client.readResponse();
    assert.deepEqual([status, text], [200, "v1"], path);
    assert.equal(v1.requests.at(-1)?.url, path);
  }
});

test("a POST to a look-alike switches nothing: the backend's on the traffic port, 404 on the admin port", {
  timeout: 20_000,
}, async () => {
  const body = { version: "v2" };
  for (const path of [
    "/switch/",
    "//switch",
    "/%73witch",
    "/SWITCH",
    "/switch;x",
    "/./switch",
    "/switch%3Fx",
  ]) {
    const forwarded = await proxy.adminOnTrafficPort("POST", path, { body });
    assert.deepEqual([forwarded.status, forwarded.body, v1.requests.at(-1)?.url], [200, "v1", path]);
    const reply = await proxy.admin("POST", path, { body });
    assert.deepEqual([reply.status, reply.json().code], [404, "NOT_FOUND"], path);
  }
  assert.equal((await proxy.status()).epoch, 0);
});

test("a call with no Host, two, or one that is none is refused as any other request", {
  timeout: 20_000,
}, async (t) => {
  for (const start of ["GET /status", "POST /switch", "GET /metrics"]) {
    for (const host of ["", "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n", "Host: 127.0.0.1/a\r\n"]) {
      const client = await openRaw(proxy.port, { t });
      client.send(`${start} HTTP/1.1\r\n${host}Content-Type: application/json\r\n\r\n`);
      const { status, text } = await client.readResponse();
      assert.deepEqual([status, (JSON.parse(text) as { code: string }).code], [400, "MALFORMED_REQUEST"]);
    }
  }
});

test("a target in absolute form is ours by its path", { timeout: 20_000 }, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send(`GET http://127.0.0.1:${proxy.port}/status HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
  const { status, text } = await client.readResponse();
  assert.equal(status, 200, text);
  assert.equal((JSON.parse(text) as { current_version: string }).current_version, "v1");
  assert.ok(!backendSaw("/status HTTP"));
});

test("an upgrade on /status is answered as a normal call", { timeout: 20_000 }, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send(
    "GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const response = await client.readResponse();
  assert.equal(response.status, 200);
  assert.match(response.text, /"current_version"/);
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/status`);
  const [error] = (await withLimit(once(socket, "error"), 5_000, "the handshake to fail")) as [Error];
  assert.match(error.message, /200/);
});

test("an admin call over a kept-alive connection leaves it usable for traffic", {
  timeout: 20_000,
}, async (t) => {
  const client = await openRaw(proxy.port, { t });
  const body = JSON.stringify({ version: "v1" });
  for (const head of [
    "GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: anything.example\r\n\r\n",
    `POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    "GET /y HTTP/1.1\r\nHost: anything.example\r\n\r\n",
    "DELETE /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /z HTTP/1.1\r\nHost: anything.example\r\n\r\n",
  ]) {
    const { status, text } = await client.send(head).readResponse();
    assert.equal(status, head.startsWith("DELETE") ? 405 : 200, text);
    if (/^GET \/[xyz]/.test(head)) assert.equal(text, "v1");
  }
});

test("HEAD says the same as GET, without a body", { timeout: 20_000 }, async () => {
  for (const port of [proxy.port, proxy.adminPort]) {
    for (const path of ["/status", "/metrics"]) {
      const head = await request(port, { method: "HEAD", path });
      assert.equal(head.status, 200);
      assert.equal(head.body, "");
      assert.ok(Number(head.headers["content-length"]) > 0);
    }
  }
});

test("on_traffic_port: false gives all three to the backend, and the admin listener keeps them", {
  timeout: 30_000,
}, async (t) => {
  const pair = await startPair(t, { config: { admin: { on_traffic_port: false } } });
  for (const [method, path] of [
    ["GET", "/status"],
    ["GET", "/metrics"],
    ["GET", "/switch"],
    ["POST", "/switch"],
  ] as const) {
    const body = method === "POST" ? { version: "v2" } : undefined;
    const reply = await pair.proxy.adminOnTrafficPort(method, path, body === undefined ? {} : { body });
    assert.deepEqual([reply.status, reply.body], [200, "v1"], `${method} ${path}`);
    assert.equal(pair.v1.requests.at(-1)?.url, path);
  }
  assert.equal((await pair.proxy.status()).epoch, 0);
  await pair.proxy.switchTo("v2");
  assert.equal((await pair.proxy.admin("GET", "/metrics")).status, 200);
});

test("the admin listener has every call, lists them, and knows no other path", {
  timeout: 20_000,
}, async () => {
  for (const path of ["/", "/status", "/metrics", "/history", "/livez", "/readyz"]) {
    assert.equal((await proxy.admin("GET", path)).status, 200, path);
    const wrong = await proxy.admin("DELETE", path);
    assert.equal(wrong.status, 405, path);
    assert.equal(wrong.headers.allow, "GET, HEAD");
  }
  for (const path of ["/switch", "/rollback"]) {
    const wrong = await proxy.admin("GET", path);
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, "POST"]);
    assert.equal(wrong.json().code, "METHOD_NOT_ALLOWED");
  }
  for (const path of ["/nothing", "/status/", "//status", "/STATUS", "/%73tatus", "/../status"]) {
    const reply = await proxy.admin("GET", path);
    assert.equal(reply.status, 404, path);
    assert.match(String(reply.headers["content-type"]), /problem\+json/);
  }
  assert.match((await proxy.admin("GET", "/")).body, /POST \/switch/);
});

test("/history takes a limit from 1 to 1000, and nothing else", { timeout: 30_000 }, async (t) => {
  const pair = await startPair(t);
  for (const to of ["v2", "v1", "v2"]) await pair.proxy.switchTo(to);
  const epochs = async (query: string): Promise<number[]> => {
    const reply = await pair.proxy.admin("GET", `/history${query}`);
    assert.equal(reply.status, 200, reply.body);
    return (reply.json().entries as { epoch: number }[]).map(({ epoch }) => epoch);
  };
  assert.deepEqual(await epochs(""), [3, 2, 1], "newest first");
  assert.deepEqual(await epochs("?limit=2"), [3, 2]);
  assert.deepEqual(await epochs("?limit=1000"), [3, 2, 1]);
  for (const query of ["?limit=0", "?limit=-1", "?limit=x", "?limit=1001", "?limit=1&limit=2", "?limit="]) {
    assert.equal((await pair.proxy.admin("GET", `/history${query}`)).status, 400, query);
  }
});
