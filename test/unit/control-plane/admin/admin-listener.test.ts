import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  type AdminListener,
  startAdminListener,
} from "../../../../src/control-plane/admin/admin-listener.ts";
import { MAX_WAITING_CALLS } from "../../../../src/control-plane/admin/connection-turns.ts";
import type { AdminAnswer, AdminCall } from "../../../../src/core/admin-call.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { openRaw } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";

const OK: AdminAnswer = { status: 200, headers: { "Content-Type": "text/plain" }, body: "ok\n" };

const ON_LOOPBACK = { host: "127.0.0.1", port: 0, socket: null, tls: null };

async function start(
  t: TestContext,
  handle: (call: AdminCall) => Promise<AdminAnswer> = async () => OK,
  answerTimeoutMs?: number,
) {
  const logged: object[] = [];
  const log = { error: (fields: object) => void logged.push(fields) };
  const limit = answerTimeoutMs === undefined ? {} : { answerTimeoutMs };
  const listener = await startAdminListener({ ...ON_LOOPBACK, handle, log, ...limit });
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

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

test("the calls of one connection run one after the other, in their order", async (t) => {
  const ends: (() => void)[] = [];
  const targets: string[] = [];
  const { listener } = await start(t, ({ target }) => {
    targets.push(target);
    return new Promise((resolve) => ends.push(() => resolve({ ...OK, body: target })));
  });
  const client = await openRaw(listener.port, { t });
  client.send(["/a", "/b", "/c"].map((path) => GET.replace("/", path)).join(""));
  for (const [index, path] of ["/a", "/b", "/c"].entries()) {
    await waitUntil(`${path} runs`, () => ends.length > index);
    assert.deepEqual(targets, ["/a", "/b", "/c"].slice(0, index + 1));
    ends[index]?.();
    assert.equal((await client.readResponse()).text, path);
  }
});

test("a call behind one that closes the connection is not begun", async (t) => {
  let calls = 0;
  const { listener } = await start(t, async () => {
    calls++;
    return OK;
  });
  const received = await rawExchange(
    listener,
    GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + GET,
  );
  assert.deepEqual([received.split("HTTP/1.1 200").length - 1, calls], [1, 1]);
});

test("a pipeline of more calls than may wait is cut, and none of its answers is kept", async (t) => {
  let calls = 0;
  const { listener } = await start(t, () => {
    calls++;
    return new Promise(() => {});
  });
  const client = await openRaw(listener.port, { t });
  await client
    .send(GET.repeat(MAX_WAITING_CALLS + 1))
    .send(GET)
    .waitClosed();
  assert.equal(calls, 1);
  const other = await openRaw(listener.port, { t });
  other.send(GET.repeat(MAX_WAITING_CALLS + 1));
  await waitUntil("the other one's call runs", () => calls === 2);
  assert.equal(other.ending, undefined);
});

test("who does not take its answer is cut after a time; a call that takes longer to be answered is not", async (t) => {
  const large = { ...OK, body: "x".repeat(32 * 1_024 * 1_024) };
  const { listener } = await start(
    t,
    async ({ target }) => {
      if (target === "/slow") await delay(400);
      return target === "/large" ? large : OK;
    },
    200,
  );
  const unread = connect(listener.port, "127.0.0.1").on("error", () => {});
  t.after(() => unread.destroy());
  unread.pause().write(GET.replace("/", "/large"));
  const isCut = waitUntil("it is cut", () => {
    unread.write("\r\n"); // ignored between two calls; a connection that is gone is found out by it
    return unread.destroyed;
  });
  const client = await openRaw(listener.port, { t });
  assert.equal((await client.send(GET.replace("/", "/slow")).readResponse()).status, 200);
  await isCut;
});

test("what is wrong behind a call does not cost it its answer; the connection ends with it", async (t) => {
  let answer = (): void => {};
  const { listener } = await start(t, ({ target }) => {
    if (target !== "/slow") return Promise.resolve(OK);
    return new Promise((resolve) => {
      answer = () => resolve(OK);
    });
  });
  const client = await openRaw(listener.port, { t });
  client.send(GET.replace("/", "/slow") + GET);
  client.send("garbage\r\n\r\n");
  const other = await openRaw(listener.port, { t });
  assert.equal((await other.send(GET).readResponse()).status, 200);
  assert.equal(client.bytesReceived, 0);
  answer();
  const received = (await client.readToEnd()).toString();
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 200"]);
});

test("a chunk that is none is answered 400, as its call has no other answer", async (t) => {
  const { listener } = await start(t);
  const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const received = await rawExchange(listener, `${head}zz\r\n`);
  assert.match(received, /^HTTP\/1\.1 400 [\s\S]*MALFORMED_REQUEST/);
});

const PROBLEMS = [
  { what: "a call without Host", head: "GET / HTTP/1.1\r\n\r\n", status: 400, code: "MALFORMED_REQUEST" },
  {
    what: "an Expect that nobody knows",
    head: "POST /switch HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n",
    status: 417,
    code: "UNSUPPORTED_EXPECT",
  },
  {
    what: "CONNECT",
    head: "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    status: 405,
    code: "METHOD_NOT_ALLOWED",
  },
] as const;

for (const { what, head, status, code } of PROBLEMS) {
  test(`${what} is refused as a problem, first on its connection and behind a call`, async (t) => {
    let calls = 0;
    const { listener } = await start(t, async () => {
      calls++;
      return OK;
    });
    const client = await openRaw(listener.port, { t });
    for (const isFirst of [true, false]) {
      const asking = isFirst ? client : await openRaw(listener.port, { t });
      if (!isFirst) assert.equal((await asking.send(GET).readResponse()).status, 200);
      const answer = await asking.send(head).readResponse();
      assert.equal(answer.status, status);
      assert.equal(answer.header("Content-Type"), "application/problem+json");
      const problem = JSON.parse(answer.text) as Record<string, unknown>;
      assert.deepEqual([problem.status, problem.success, problem.code], [status, false, code]);
    }
    assert.equal(calls, 1, "it is no call");
  });
}

test("CONNECT ends its connection, and says what there is", async (t) => {
  const { listener } = await start(t);
  const received = await rawExchange(
    listener,
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nwhat would be tunneled",
  );
  assert.match(received, /^HTTP\/1\.1 405 Method Not Allowed\r\n[\s\S]*\r\nAllow: GET, HEAD, POST\r\n/);
});

test("CONNECT behind a call that runs does not cost it its answer; the connection ends with it", async (t) => {
  let answer = (): void => {};
  const { listener } = await start(
    t,
    () =>
      new Promise((resolve) => {
        answer = () => resolve(OK);
      }),
  );
  const client = await openRaw(listener.port, { t });
  client.send(`${GET}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`);
  const running = answer;
  await waitUntil("the call runs", () => answer !== running);
  answer();
  const received = (await client.readToEnd()).toString();
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200"]);
});

test("HTTP/1.0 needs no Host, and what it says in Expect is ignored", async (t) => {
  const { listener } = await start(t);
  assert.match(await rawExchange(listener, "GET / HTTP/1.0\r\nExpect: tea\r\n\r\n"), /^HTTP\/1\.1 200 /);
});
