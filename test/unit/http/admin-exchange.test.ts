import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { AdminCall } from "../../../src/core/admin-call.ts";
import { ProxyError } from "../../../src/core/errors.ts";
import { readAdminCall, writeAdminAnswer } from "../../../src/http/admin-exchange.ts";
import { problemFromError } from "../../../src/http/problem.ts";

const JSON_ANSWER = { status: 200, headers: { "Content-Type": "application/json" }, body: "{}\n" };

/** A server that reads each call and answers it; `calls` holds what it read or why it could not. */
async function startExchange(t: TestContext, host = "127.0.0.1", bodyTimeoutMs = 10_000) {
  const calls: (AdminCall | ProxyError)[] = [];
  let onCall = () => {};
  const called = new Promise<void>((resolve) => {
    onCall = resolve;
  });
  const server = createServer(async (req, res) => {
    try {
      calls.push(await readAdminCall(req, "admin", { bodyTimeoutMs }));
      writeAdminAnswer(req, res, JSON_ANSWER);
    } catch (error) {
      assert.ok(error instanceof ProxyError);
      calls.push(error);
      writeAdminAnswer(req, res, problemFromError(error));
    }
    onCall();
  });
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, calls, called };
}

/** Sends bytes, resolves with all that came back when the server closes; `send` may go on writing. */
async function rawExchange(port: number, bytes: string, host = "127.0.0.1"): Promise<string> {
  const socket = connect(port, host);
  socket.on("error", () => {}); // a reset shows as a missing answer
  socket.write(bytes);
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  await once(socket, "close");
  return received;
}

const post = (fields: string, body = "") =>
  `POST /switch?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n${body}`;

test("a call carries method, target, the fields that the admin API reads, body and the peer's address", async (t) => {
  const { port, calls } = await startExchange(t);
  const fields =
    "AUTHORIZATION: Bearer s\r\nIdempotency-Key: k\r\nOrigin: http://x\r\nContent-Type: application/json\r\nAccept: a\r\nAccept: b\r\nX-Forwarded-For: 10.0.0.1\r\nCookie: c\r\nContent-Length: 4\r\n";
  await rawExchange(port, post(fields, "{é}"));
  assert.deepEqual(calls, [
    {
      method: "POST",
      target: "/switch?a=b",
      headers: {
        host: "x",
        authorization: "Bearer s",
        "idempotency-key": "k",
        origin: "http://x",
        "content-type": "application/json",
        accept: "a",
      },
      body: "{é}",
      remoteAddress: "127.0.0.1",
      listener: "admin",
    },
  ]);
});

test("an IPv4 peer on an IPv6 socket is known by its IPv4 address", async (t) => {
  const { port, calls } = await startExchange(t, "::");
  await rawExchange(port, post("Content-Length: 0\r\n"));
  const [call] = calls;
  assert.ok(call !== undefined && !(call instanceof ProxyError));
  assert.equal(call.remoteAddress, "127.0.0.1");
});

for (const field of ["Authorization", "Host", "Origin", "Content-Type", "Idempotency-Key"]) {
  test(`a second ${field} is refused, in any case of letters`, async (t) => {
    const { port } = await startExchange(t);
    const twice = `${field}: a\r\n${field.toUpperCase()}: b\r\n`;
    const answer = await rawExchange(port, post(`${twice}Content-Length: 0\r\n`));
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, /"code": "MALFORMED_CALL"/);
  });
}

test("a body of exactly 16 KiB is read, one byte more is refused, announced or not", async (t) => {
  const { port, calls } = await startExchange(t);
  const limit = 16 * 1024;
  assert.match(
    await rawExchange(port, post(`Content-Length: ${limit}\r\n`, "x".repeat(limit))),
    /^HTTP\/1\.1 200 /,
  );
  const [call] = calls;
  assert.ok(call !== undefined && !(call instanceof ProxyError));
  assert.equal(call.body.length, limit);
  const big = "x".repeat(limit + 1);
  const chunked = `${(limit + 1).toString(16)}\r\n${big}\r\n0\r\n\r\n`;
  for (const request of [
    post(`Content-Length: ${limit + 1}\r\n`, big),
    post("Transfer-Encoding: chunked\r\n", chunked),
  ]) {
    const answer = await rawExchange(port, request);
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.match(answer, /"code": "CALL_TOO_LARGE"/);
  }
});

test("a client that goes on sending a huge body still reads its refusal, and the connection closes", async (t) => {
  const { port } = await startExchange(t);
  const huge = 4 * 1024 * 1024;
  const request = `POST /switch HTTP/1.1\r\nHost: x\r\nContent-Length: ${huge}\r\n\r\n${"x".repeat(huge)}`;
  const answer = await rawExchange(port, request);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /\r\nConnection: close\r\n/);
});

test("a body that does not arrive in time is answered 408 and the connection closes", async (t) => {
  const { port } = await startExchange(t, "127.0.0.1", 20);
  const answer = await rawExchange(port, "POST /switch HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  assert.match(answer, /^HTTP\/1\.1 408 /);
  assert.match(answer, /"code": "CALL_TIMEOUT"/);
  assert.match(answer, /\r\nConnection: close\r\n/);
});

test("a client that leaves in the middle of its body is a CLIENT_ABORTED, without an answer", async (t) => {
  const { port, calls, called } = await startExchange(t);
  const socket = connect(port, "127.0.0.1");
  socket.write("POST /switch HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", () => socket.destroy());
  await called;
  const [error] = calls;
  assert.ok(error instanceof ProxyError);
  assert.equal(error.code, "CLIENT_ABORTED");
});

test("a body that is not UTF-8 is refused", async (t) => {
  const { port } = await startExchange(t);
  const socket = connect(port, "127.0.0.1");
  socket.write(post("Content-Length: 2\r\n"));
  socket.write(Buffer.from([0xff, 0xfe]));
  const [answer] = await once(socket.setEncoding("utf8"), "data");
  assert.match(answer, /^HTTP\/1\.1 400 /);
  socket.destroy();
});

test("an answer is not stored, not sniffed, and leaves the connection open", async (t) => {
  const { port } = await startExchange(t);
  const first = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
  const second = "GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const answers = await rawExchange(port, first + second);
  assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  assert.match(answers, /\r\nCache-Control: no-store\r\n/);
  assert.match(answers, /\r\nX-Content-Type-Options: nosniff\r\n/);
  assert.match(answers, /\r\nContent-Length: 3\r\n/);
});

test("HEAD gets the head alone", async (t) => {
  const { port } = await startExchange(t);
  const answer = await rawExchange(port, "HEAD /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(answer, /\r\nContent-Length: 3\r\n/);
  assert.ok(answer.endsWith("\r\n\r\n"));
});
