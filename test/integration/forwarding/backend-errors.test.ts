import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw, type RawClient, type RawResponse } from "../../support/raw-client.ts";
import { startStuckBackend } from "../../support/stuck-backend.ts";
import { waitUntil } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/** What the raw backend does once a request's head has come; each test sets its own. */
let behave: (socket: Socket, head: string) => void = () => {};
const backend = await startRawBackend(file, (socket) => {
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
    const end = received.indexOf("\r\n\r\n");
    if (end === -1) return;
    const head = received.slice(0, end + 4);
    received = received.slice(end + 4);
    behave(socket, head);
  });
});
const refusing = `http://127.0.0.1:${await freePort()}`;
const proxy = await startProxy(file, {
  v1: backend.url,
  v2: refusing,
  config: { upstream: { response_timeout: "300ms", body_idle_timeout: "300ms" } },
});
const proxyToNobody = await startProxy(file, { v1: backend.url, v2: refusing, active: "v2" });

function assertProblem(answer: RawResponse, status: number, code: string, proxyStatus: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.header("content-type"), "application/problem+json");
  assert.equal(answer.header("cache-control"), "no-store");
  assert.equal(answer.header("proxy-status"), `traffic-switching; error=${proxyStatus}`);
  const problem = parseJsonObject(answer.text);
  assert.deepEqual([problem.status, problem.code, problem.success], [status, code, false]);
  assert.equal(typeof problem.message, "string");
  assert.equal(problem.stack, undefined);
}

async function assertStillServes(client: RawClient): Promise<void> {
  behave = answerOk;
  assert.equal((await client.send(GET).readResponse()).text, "ok");
}

const answerOk = (socket: Socket): void =>
  void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

test(
  "a backend that refuses connections is 502 BACKEND_CONNECT_FAILED, whatever the method and body",
  limit,
  async (t) => {
    const client = await openRaw(proxyToNobody.port, { t });
    for (const head of [GET, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", GET]) {
      assertProblem(
        await client.send(head).readResponse(),
        502,
        "BACKEND_CONNECT_FAILED",
        "connection_refused",
      );
    }
  },
);

test(
  "HEAD of a backend that is down gets the status without a body, and the connection lives on",
  limit,
  async (t) => {
    const client = await openRaw(proxyToNobody.port, { t });
    for (let i = 0; i < 2; i++) {
      const answer = await client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse({ method: "HEAD" });
      assert.equal(answer.status, 502);
    }
    assert.equal(client.unread.length, 0);
  },
);

for (const [what, end] of [
  ["resets", (socket: Socket) => void socket.resetAndDestroy()],
  ["closes", (socket: Socket) => void socket.end()],
] as const) {
  test(
    `a backend that ${what} a new connection before its answer is 502 BACKEND_CLOSED, asked once`,
    limit,
    async (t) => {
      let asked = 0;
      behave = (socket) => {
        asked++;
        end(socket);
      };
      backend.closeConnections(); // so that the next one is new
      await waitUntil("the proxy has noticed", async () => {
        const { body } = await proxy.admin("GET", "/metrics");
        return /upstream_connections\{version="v1",state="idle"\} 0/.test(body);
      });
      const client = await openRaw(proxy.port, { t });
      assertProblem(await client.send(GET).readResponse(), 502, "BACKEND_CLOSED", "connection_terminated");
      assert.equal(asked, 1);
      await assertStillServes(client);
    },
  );
}

for (const [what, answer] of [
  ["that is no HTTP", "SSH-2.0-OpenSSH_9.9\r\n"],
  ["with a malformed field", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"],
  ["with a control character in a field", "HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n"],
  ["with two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk"],
  [
    "with both lengths",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  [
    "with a transfer coding that we would not name",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
  ],
  ["with a bad length", "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok"],
  ["with too large a head", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(70_000)}\r\n\r\n`],
  [
    "that switches protocols unasked",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
  ],
] as const) {
  test(`an answer ${what} is 502 BACKEND_INVALID_ANSWER`, limit, async (t) => {
    behave = (socket) => void socket.write(answer, "latin1");
    const client = await openRaw(proxy.port, { t });
    assertProblem(
      await client.send(GET).readResponse(),
      502,
      "BACKEND_INVALID_ANSWER",
      "http_protocol_error",
    );
    await assertStillServes(client);
  });
}

test(
  "a backend that does not answer in time is 504 BACKEND_RESPONSE_TIMEOUT, and its request ends",
  limit,
  async (t) => {
    let ended: Promise<void> = Promise.resolve();
    behave = (socket) => {
      ended = new Promise((resolve) => socket.once("close", () => resolve()));
    };
    const client = await openRaw(proxy.port, { t });
    const answer = await client
      .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
      .readResponse();
    assertProblem(answer, 504, "BACKEND_RESPONSE_TIMEOUT", "http_response_timeout");
    await ended;
    await assertStillServes(client);
  },
);

test("a backend that sends a part of its head and hangs is 504", limit, async (t) => {
  behave = (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Le");
  const client = await openRaw(proxy.port, { t });
  assertProblem(
    await client.send(GET).readResponse(),
    504,
    "BACKEND_RESPONSE_TIMEOUT",
    "http_response_timeout",
  );
});

const CHUNKED = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
const WITH_LENGTH = "Content-Length: 10\r\n\r\nhello";
for (const [framing, rest] of [
  ["chunked", CHUNKED],
  ["length", WITH_LENGTH],
] as const) {
  for (const [how, breakOff] of [
    ["resets", (socket: Socket) => void socket.resetAndDestroy()],
    ["closes", (socket: Socket) => void socket.end()],
    ["falls silent", () => {}],
  ] as const) {
    for (const version of ["1.1", "1.0"] as const) {
      test(
        `an answer (${framing}) whose backend ${how} in the middle looks broken to an HTTP/${version} client`,
        limit,
        async (t) => {
          behave = (socket) => {
            socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
            client.readUntil("hello").then(
              () => breakOff(socket),
              () => socket.destroy(),
            );
          };
          const client: RawClient = await openRaw(proxy.port, { t });
          client.send(`GET / HTTP/${version}\r\nHost: h\r\n\r\n`);
          const ending = await client.waitClosed();
          const all = client.unread.toString("latin1");
          assert.doesNotMatch(all, /\r\n0\r\n\r\n$/, "no last chunk");
          const isDelimited = framing === "length" || version === "1.1";
          if (!isDelimited) assert.equal(ending, "reset", "a mere end would look like the end of the body");
          assert.doesNotMatch(all, /problem\+json/, "no second head in the middle of a body");
        },
      );
    }
  }
}

test("an answer whose body is broken HTTP is broken off for the client too", limit, async (t) => {
  let spoil = (): void => {};
  behave = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${CHUNKED}`);
    spoil = () => void socket.write("zz\r\nnonsense\r\n");
  };
  const client = await openRaw(proxy.port, { t });
  assert.match(await client.send(GET).readUntil("hello"), /^HTTP\/1\.1 200 /);
  spoil();
  assert.doesNotMatch((await client.readToEnd()).toString("latin1"), /\r\n0\r\n\r\n$/, "no last chunk");
});

test("an answer that is broken HTTP before anything of it has left is 502", limit, async (t) => {
  behave = (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${CHUNKED}zz\r\nnonsense\r\n`);
  const client = await openRaw(proxy.port, { t });
  assertProblem(await client.send(GET).readResponse(), 502, "BACKEND_INVALID_ANSWER", "http_protocol_error");
  await assertStillServes(client);
});

test(
  "bytes after a complete answer belong to nobody: the next client does not get them",
  limit,
  async (t) => {
    behave = (socket) =>
      void socket.write(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
      );
    const client = await openRaw(proxy.port, { t });
    assert.equal((await client.send(GET).readResponse()).text, "ok");
    for (let i = 0; i < 3; i++) await assertStillServes(client);
  },
);

test(
  "when a reused connection closes as a request arrives, GET is sent again once and POST is not",
  limit,
  async (t) => {
    const seen: string[] = [];
    const counting = await startRawBackend(t, (socket) => {
      let requests = 0;
      socket.on("data", (bytes) => {
        const head = bytes.toString("latin1");
        seen.push(head.slice(0, head.indexOf(" ")));
        if (++requests === 1) answerOk(socket);
        else socket.destroy(); // the race: it had closed just before
      });
    });
    const own = await startProxy(t, { v1: counting.url, v2: refusing });
    const client = await openRaw(own.port, { t });
    assert.equal((await client.send(GET).readResponse()).text, "ok");
    assert.equal((await client.send(GET).readResponse()).text, "ok");
    assert.deepEqual(seen, ["GET", "GET", "GET"]);
    for (const post of [
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
    ]) {
      seen.length = 0;
      assertProblem(await client.send(post).readResponse(), 502, "BACKEND_CLOSED", "connection_terminated");
      assert.deepEqual(
        seen.filter((method) => method !== "hi"),
        ["POST"],
      );
      assert.equal((await client.send(GET).readResponse()).text, "ok"); // the next connection is reused
    }
  },
);

test("an idle connection that the backend has closed is not used", limit, async (t) => {
  const closing = await startBackend(t, undefined, { server: { keepAliveTimeout: 50 } });
  closing.server.keepAliveTimeoutBuffer = 0;
  const own = await startProxy(t, { v1: closing.url, v2: refusing });
  const client = await openRaw(own.port, { t });
  const post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
  for (let i = 0; i < 3; i++) {
    assert.equal((await client.send(post).readResponse()).text, "ok");
    await waitUntil("the backend has closed its connection", () => closing.connections === 0);
  }
});

for (const [what, connection] of [
  ["keeps the connection", "keep-alive"],
  ["closes it, unread bytes and all", "close"],
] as const) {
  test(
    `an answer that comes before the end of an upload reaches the client when the backend ${what}`,
    limit,
    async (t) => {
      const early = await startBackend(
        t,
        (_req, res) => void res.writeHead(403, { Connection: connection }).end("no"),
      );
      const own = await startProxy(t, { v1: early.url, v2: refusing });
      const piece = Buffer.alloc(65_536, "x");
      const chunk = Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")]);
      for (let i = 0; i < 20; i++) {
        const isChunked = i % 2 === 0;
        const client = await openRaw(own.port, { t });
        client.send(
          `POST / HTTP/1.1\r\nHost: h\r\n${isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 6553600"}\r\n\r\n`,
        );
        const sending = (async () => {
          for (let n = 0; n < 100; n++) await client.sendAll(isChunked ? chunk : piece);
          if (isChunked) client.send("0\r\n\r\n");
        })();
        const answer = await client.readResponse();
        assert.deepEqual([answer.status, answer.text], [403, "no"]);
        await sending;
        if (i % 4 === 0)
          assert.equal((await client.send(GET).readResponse()).status, 403, "the connection is kept");
        client.destroy();
      }
    },
  );
}

test("an answer that ends with the connection looks broken when that is reset", limit, async (t) => {
  const resetting = await startRawBackend(t, (socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\nhello");
      void client.readUntil("hello").then(() => socket.resetAndDestroy());
    });
  });
  const own = await startProxy(t, { v1: resetting.url, v2: refusing });
  const client: RawClient = await openRaw(own.port, { t });
  client.send(GET);
  await client.waitClosed();
  assert.equal(client.unread.toString(), "\r\n", "the end of the one chunk and no last chunk");
});

test("a backend that does not accept in time is 504 BACKEND_CONNECT_TIMEOUT", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const own = await startProxy(t, {
    v1: stuck.url,
    v2: refusing,
    config: { upstream: { connect_timeout: "200ms", retries: 0 } },
  });
  const client = await openRaw(own.port, { t });
  assertProblem(await client.send(GET).readResponse(), 504, "BACKEND_CONNECT_TIMEOUT", "connection_timeout");
});

test("failures are counted by reason and logged as sums, not one line each", limit, async () => {
  const { body } = await proxyToNobody.admin("GET", "/metrics");
  const failed = Number(
    /upstream_errors_total\{version="v2",reason="backend_connect_failed"\} (\d+)/.exec(body)?.[1],
  );
  assert.ok(failed >= 10, `5 requests with a retry each: ${failed}`);
  const lines = proxyToNobody.logs().filter(({ code }) => code === "BACKEND_CONNECT_FAILED");
  assert.ok(lines.length <= 3, `the first at once, then a sum every 10 s: ${lines.length} lines`);
});
