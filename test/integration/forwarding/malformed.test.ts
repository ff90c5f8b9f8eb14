import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { Routes } from "../../support/routes.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

let received = "";
// One answer for each request, however many pieces it comes in: a second one would be taken for the next request's.
const backend = await startRawBackend(file, (socket) => {
  let unanswered = "";
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
    unanswered += bytes.toString("latin1");
    if (!isWholeRequest(unanswered)) return;
    unanswered = "";
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
});
function isWholeRequest(bytes: string): boolean {
  return /\r\ntransfer-encoding:/i.test(bytes) ? bytes.endsWith("\r\n0\r\n\r\n") : bytes.endsWith("\r\n\r\n");
}
const silent = await startRawBackend(file, (socket) => {
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
  });
});
const [proxy, proxyToSilence] = await Promise.all([
  startProxy(file, { v1: backend.url, v2: silent.url }),
  startProxy(file, { v1: backend.url, v2: silent.url, active: "v2" }),
]);

const H = "Host: h\r\n";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
const MALFORMED = {
  "Transfer-Encoding and Content-Length": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
  "Content-Length and Transfer-Encoding": `POST / HTTP/1.1\r\n${H}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "a Host that is no host": "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n",
  "two different Content-Length fields": `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${SMUGGLED}`,
  "two equal Content-Length fields": `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
  "a list of lengths": `POST / HTTP/1.1\r\n${H}Content-Length: 2, 2\r\n\r\nhi`,
  "a signed length": `POST / HTTP/1.1\r\n${H}Content-Length: +2\r\n\r\nhi`,
  "a negative length": `POST / HTTP/1.1\r\n${H}Content-Length: -2\r\n\r\nhi`,
  "a hexadecimal length": `POST / HTTP/1.1\r\n${H}Content-Length: 0x2\r\n\r\nhi`,
  "an empty length": `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n${SMUGGLED}`,
  "a length past 2^64": `POST / HTTP/1.1\r\n${H}Content-Length: 18446744073709551618\r\n\r\nhi`,
  "a length past 2^53": `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740993\r\n\r\nhi`,
  "chunked that is not last": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  "a transfer coding besides chunked": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  "two transfer codings in two fields": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "two equal Transfer-Encoding fields": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "Transfer-Encoding in HTTP/1.0": `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "chunked twice": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  "chunked in two fields": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
  "an unknown transfer coding": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  "a transfer coding with a vertical tab": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  "a space before the colon": `POST / HTTP/1.1\r\n${H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  "a field that starts with a space": `GET / HTTP/1.1\r\n X: 1\r\n${H}\r\n`,
  "a folded field": `GET / HTTP/1.1\r\n${H}X: 1\r\n 2\r\n\r\n`,
  "a field without a colon": `GET / HTTP/1.1\r\n${H}nonsense\r\n\r\n`,
  "a field without a name": `GET / HTTP/1.1\r\n${H}: 1\r\n\r\n`,
  "a NUL in a field": `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`,
  "a bare CR in a field": `GET / HTTP/1.1\r\n${H}X: a\rTransfer-Encoding: chunked\r\n\r\n`,
  "bare LF at line ends": `GET / HTTP/1.1\nHost: h\n\n`,
  "a bare LF in the head": `GET / HTTP/1.1\r\n${H}X: a\nY: b\r\n\r\n`,
  "no Host": "GET / HTTP/1.1\r\nX: 1\r\n\r\n",
  "two Host fields": "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
  "two equal Host fields": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
  "an unknown version": `GET / HTTP/3.7\r\n${H}\r\n`,
  "no version": "GET /\r\n\r\n",
  "a method that is no token": `GE(T / HTTP/1.1\r\n${H}\r\n`,
  "a fragment in the target": `GET /a#b HTTP/1.1\r\n${H}\r\n`,
  "a target that is no path": `GET foo HTTP/1.1\r\n${H}\r\n`,
  "an asterisk with GET": `GET * HTTP/1.1\r\n${H}\r\n`,
  "a space in the target": `GET /a b HTTP/1.1\r\n${H}\r\n`,
  "userinfo in an absolute target": `GET http://user:pw@h/ HTTP/1.1\r\n${H}\r\n`,
  "an absolute target of another scheme": `GET ftp://h/ HTTP/1.1\r\n${H}\r\n`,
  "a target with an authority only": `GET h:80 HTTP/1.1\r\n${H}\r\n`,
  CONNECT: "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
  "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "a TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more of it\r\n\r\n",
  garbage: "\0\0\0\0\r\n\r\n",
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  test(
    `a request with ${what} is 400, its connection is closed, and the backend sees nothing`,
    limit,
    async (t) => {
      received = "";
      const client = await openRaw(proxy.port, { t });
      const answer = await client.send(bytes).readResponse();
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.header("content-type"), "application/problem+json");
      assert.equal(answer.header("connection"), "close");
      assert.equal(parseJsonObject(answer.text).code, "MALFORMED_REQUEST");
      assert.notEqual(await client.waitClosed(), "local");
      assert.equal(client.unread.length, 0, "one answer, not two");
      assert.equal(received, "");
    },
  );
}

const BAD_CHUNKS = {
  "a size that is no number": "zz\r\nhello\r\n0\r\n\r\n",
  "a negative size": "-5\r\nhello\r\n0\r\n\r\n",
  "a size with 0x": "0x5\r\nhello\r\n0\r\n\r\n",
  "a size past 2^64": "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  "a chunk longer than its size": "3\r\nhello\r\n0\r\n\r\n",
  "a bare LF after the size": "5\nhello\r\n0\r\n\r\n",
  "a bare CR in an extension": "5;a\rb\r\nhello\r\n0\r\n\r\n",
  "a bare LF in an extension": "5;a\nhello\r\n0\r\n\r\n",
};
for (const [what, chunks] of Object.entries(BAD_CHUNKS)) {
  test(`a chunked body with ${what} is never passed on as whole`, limit, async (t) => {
    received = "";
    const client = await openRaw(proxyToSilence.port, { t });
    const head = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
    const answer = await client.send(`${head}${chunks}${SMUGGLED}`).readResponse();
    assert.equal(answer.status, 400);
    await client.waitClosed();
    assert.doesNotMatch(received, /\r\n0\r\n\r\n/);
    assert.doesNotMatch(received, /smuggled/);
  });
}

test("a malformed request behind a good one does not take the good one's answer", limit, async (t) => {
  const routes = new Routes();
  const slow = await startBackend(t, routes.listener);
  routes.on("/slow", (_req, res) => void setTimeout(() => res.end("slow"), 100));
  const own = await startProxy(t, { v1: slow.url, v2: slow.url });
  const client = await openRaw(own.port, { t });
  client.send(`GET /slow HTTP/1.1\r\n${H}\r\nGET / HTTP/1.1\r\nnonsense\r\n\r\n`);
  const first = await client.readResponse();
  assert.deepEqual([first.status, first.text], [200, "slow"]);
  const second = await client.readResponse().catch(() => undefined); // or closed without another word
  if (second !== undefined) assert.equal(second.status, 400);
  await client.waitClosed();
});

for (const method of ["DELETE", "OPTIONS", "GET", "HEAD", "TRACE"]) {
  test(
    `a ${method} with a chunked body reaches the backend as exactly one request (CVE-2026-29057)`,
    limit,
    async (t) => {
      received = "";
      const client = await openRaw(proxy.port, { t });
      const body = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
      client.send(`${method} /one HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${body}`);
      await client.readResponse({ method });
      await client.send(GET.replace(" / ", " /next ")).readResponse();
      const framed = received.slice(0, received.indexOf("GET /next"));
      assert.match(framed, /^(DELETE|OPTIONS|GET|HEAD|TRACE) \/one HTTP\/1\.1\r\n/);
      assert.match(framed, /\r\ntransfer-encoding: chunked\r\n/i);
      assert.doesNotMatch(framed, /content-length/i);
      assert.equal(framed.slice(framed.indexOf("\r\n\r\n") + 4), body);
    },
  );
}

test("leading empty lines before a request are taken and not passed on", limit, async (t) => {
  received = "";
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(`\r\n\r\n${GET}`).readResponse()).text, "ok");
  assert.match(received, /^GET \/ /);
});

test("a HEAD that is refused before its head is whole gets no body either", limit, async (t) => {
  for (const [bytes, status] of [
    ["HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
    ["HEAD / HTTP/1.1\r\nnonsense\r\n\r\n", 400],
    ["HEAD / HTTP/1.1\nHost: h\n\n", 400],
    [`HEAD / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    [`HEAD /${"x".repeat(9_000)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414],
  ] as const) {
    const client = await openRaw(proxy.port, { t });
    const answer = await client.send(bytes).readResponse({ method: "HEAD" });
    assert.equal(answer.status, status);
    await client.waitClosed();
    assert.equal(client.unread.length, 0, `${status}`);
  }
});
