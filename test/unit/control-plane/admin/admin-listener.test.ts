import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import {
  type AdminListener,
  startAdminListener,
} from "../../../../src/control-plane/admin/admin-listener.ts";
import type { AdminAnswer, AdminCall } from "../../../../src/core/admin-call.ts";
import { StartError } from "../../../../src/core/errors.ts";

const OK: AdminAnswer = { status: 200, headers: { "Content-Type": "text/plain" }, body: "ok\n" };

const ON_LOOPBACK = { host: "127.0.0.1", port: 0, socket: null, tls: null };

async function start(t: TestContext, handle: (call: AdminCall) => Promise<AdminAnswer> = async () => OK) {
  const logged: object[] = [];
  const log = { error: (fields: object) => void logged.push(fields) };
  const listener = await startAdminListener({ ...ON_LOOPBACK, handle, log });
  t.after(() => listener.close());
  return { listener, logged };
}

async function rawExchange({ port }: AdminListener, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  await once(socket, "close");
  return received;
}

test("a call reaches the handler with its body and the socket's address, and gets the answer", async (t) => {
  const calls: AdminCall[] = [];
  const { listener } = await start(t, async (call) => {
    calls.push(call);
    return OK;
  });
  const response = await fetch(`${listener.url}/switch`, { method: "POST", body: "{}" });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "ok\n");
  const [call] = calls;
  assert.equal(call?.target, "/switch");
  assert.equal(call?.body, "{}");
  assert.equal(call?.remoteAddress, "127.0.0.1");
  assert.equal(call?.listener, "admin");
});

test("bytes that are no HTTP are answered 400 as a problem, and the connection closes", async (t) => {
  const { listener } = await start(t);
  const answer = await rawExchange(listener, "nonsense\r\n\r\n");
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(answer, /"code":"MALFORMED_REQUEST"/);
  assert.match(answer, /\r\nConnection: close\r\n/);
});

test("a head of more than 16 KiB is refused", async (t) => {
  const { listener } = await start(t);
  const answer = await rawExchange(listener, `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(17_000)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
});

test("a handler that fails against its word is a 500, logged", async (t) => {
  const { listener, logged } = await start(t, () => Promise.reject(new TypeError("inner detail")));
  const response = await fetch(listener.url);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /inner detail/);
  assert.equal(logged.length, 1);
});

test("a port in use is a StartError with the address and what to do", async (t) => {
  const { listener } = await start(t);
  const again = startAdminListener({
    ...ON_LOOPBACK,
    port: listener.port,
    handle: async () => OK,
    log: { error: () => {} },
  });
  await assert.rejects(again, (error) => {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 1);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${listener.port}.*in use.*admin\\.port`));
    return true;
  });
});

test("an address that this machine does not have is a StartError that names admin.host", async () => {
  const log = { error: () => {} };
  const options = { ...ON_LOOPBACK, host: "192.0.2.1", handle: async () => OK, log };
  await assert.rejects(startAdminListener(options), /192\.0\.2\.1.*admin\.host/);
});

test("close lets a call that runs end, ends its connection, and takes no new one", async (t) => {
  let answer = () => {};
  const running = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let called = () => {};
  const seen = new Promise<void>((resolve) => {
    called = resolve;
  });
  const { listener } = await start(t, async () => {
    called();
    await running;
    return OK;
  });
  const response = fetch(listener.url);
  await seen;
  const closed = listener.close();
  await assert.rejects(fetch(listener.url));
  answer();
  assert.equal((await response).headers.get("connection"), "close");
  assert.equal(await (await response).text(), "ok\n");
  await closed;
});

test("close cuts a call that does not end", async (t) => {
  let called = () => {};
  const seen = new Promise<void>((resolve) => {
    called = resolve;
  });
  const { listener } = await start(t, () => {
    called();
    return new Promise(() => {});
  });
  const response = fetch(listener.url);
  await seen;
  await Promise.all([listener.close(), assert.rejects(response)]);
});
