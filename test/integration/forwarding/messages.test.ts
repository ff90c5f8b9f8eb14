import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { after, test } from "node:test";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { Routes, readBody } from "../../support/routes.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };

const routes = new Routes();
const backend = await startBackend(file, routes.listener);
/** Answers every head with the bytes that a test has set; keeps what it was sent. */
const raw = { answer: "", received: "" };
const rawBackend = await startRawBackend(file, (socket) => {
  socket.on("data", (bytes) => {
    raw.received += bytes.toString("latin1");
    if (raw.received.endsWith("\r\n\r\n")) socket.write(raw.answer, "latin1");
  });
});
const proxy = await startProxy(file, { v1: backend.url, v2: rawBackend.url });
const proxyToRaw = await startProxy(file, { v1: backend.url, v2: rawBackend.url, active: "v2" });

/** The answer to one request head that a raw backend answers with `answer`. */
async function exchangeRaw(t: TestEnd, head: string, answer: string, method = "GET") {
  Object.assign(raw, { answer, received: "" });
  const client = await openRaw(proxyToRaw.port, { t });
  const response = await client.send(head).readResponse({ method });
  return { response, received: raw.received };
}

routes.on("/echo", (req, res) => {
  void readBody(req).then((body) => {
    res.setHeader("X-Method", req.method ?? "");
    res.end(body);
  });
});

for (const framing of ["none", "length", "chunked"] as const) {
  test(
    `every method with a body of framing ${framing} keeps the client's and the backend's connection`,
    limit,
    async (t) => {
      const client = await openRaw(proxy.port, { t });
      const methods = METHODS.filter((method) => !["CONNECT", "HEAD"].includes(method));
      const seenBefore = backend.requests.length;
      const body = framing === "none" ? "" : "hello";
      const head = { none: "", length: "Content-Length: 5\r\n", chunked: "Transfer-Encoding: chunked\r\n" };
      const bytes = { none: "", length: "hello", chunked: "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" };
      for (const method of methods) {
        client.send(`${method} /echo HTTP/1.1\r\nHost: h\r\n${head[framing]}\r\n${bytes[framing]}`);
        const answer = await client.readResponse();
        assert.equal(answer.status, 200, `${method}: ${answer.text}`);
        assert.equal(answer.text, body, method);
        assert.equal(answer.header("x-method"), method);
      }
      const seen = backend.requests.slice(seenBefore);
      assert.equal(seen.length, methods.length);
      assert.equal(new Set(seen.map(({ remotePort }) => remotePort)).size, 1);
      assert.ok(seen.every(({ bodyBytes }) => bodyBytes === body.length));
    },
  );
}

test("HEAD keeps the answer's Content-Length and both connections", limit, async (t) => {
  routes.on("/head", (_req, res) => res.writeHead(200, { "Content-Length": 1234 }).end());
  const client = await openRaw(proxy.port, { t });
  const seenBefore = backend.requests.length;
  for (let i = 0; i < 3; i++) {
    const answer = await client
      .send("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n")
      .readResponse({ method: "HEAD" });
    assert.equal(answer.header("content-length"), "1234");
  }
  assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
  assert.equal(new Set(backend.requests.slice(seenBefore).map(({ remotePort }) => remotePort)).size, 1);
});

test("OPTIONS * reaches the backend as OPTIONS *, in both forms of the target", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  for (const target of ["*", "http://example.test:81"]) {
    const answer = await client
      .send(`OPTIONS ${target} HTTP/1.1\r\nHost: example.test:81\r\n\r\n`)
      .readResponse();
    assert.equal(answer.status, 200);
    const seen = backend.requests.at(-1);
    assert.deepEqual([seen?.method, seen?.url, seen?.headers.host], ["OPTIONS", "*", "example.test:81"]);
  }
});

test("an absolute-form target's authority becomes Host and its rest the path", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  const cases = [
    ["http://Example.test:81/a?b=c", "/a?b=c"],
    ["http://Example.test:81", "/"],
    ["http://Example.test:81?q", "/?q"],
    ["HTTP://Example.test:81//x/../y", "//x/../y"],
  ];
  for (const [target, path] of cases) {
    await client.send(`GET ${target} HTTP/1.1\r\nHost: other\r\nX-A: 1\r\n\r\n`).readResponse();
    const seen = backend.requests.at(-1);
    assert.equal(seen?.url, path);
    assert.equal(seen?.headers.host, "Example.test:81");
    assert.equal(seen?.rawHeaders.filter((text) => text.toLowerCase() === "host").length, 1);
    assert.equal(seen?.headers["x-forwarded-host"], "Example.test:81");
  }
});

test("the bytes of path and query reach the backend unchanged", limit, async (t) => {
  const targets = [
    "//a//b///",
    "/a/../../b/./c/..",
    "/%2F%2f%00%0d%0a%ff%zz%",
    "/;x=1;y/a;b?c;d&&e==f?g",
    "/?",
    "/a?b=http://c/../d",
    '/{}[]|\\^`"<>',
    "/*",
    "/http://example.test/",
    `/${"x".repeat(8_000)}`,
  ];
  for (const target of targets) {
    const { response, received } = await exchangeRaw(
      t,
      `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`,
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    assert.equal(response.status, 200, target);
    assert.equal(received.slice(0, received.indexOf("\r\n")), `GET ${target} HTTP/1.1`);
  }
});

test("a target with bytes above 0x7f and a method that nobody knows pass as they came", limit, async (t) => {
  for (const line of ["GET /\xc3\xa4", "GET /\xff\x80", "GET /?q=\xe4", "FROBNICATE /", "get /"]) {
    const { received, response } = await exchangeRaw(
      t,
      `${line} HTTP/1.1\r\nHost: h\r\n\r\n`,
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    assert.equal(response.status, 200);
    assert.equal(received.slice(0, received.indexOf("\r\n")), `${line} HTTP/1.1`);
  }
});

test(
  "a request's fields keep their case, order, number and bytes, and hop-by-hop fields are gone",
  limit,
  async (t) => {
    const { received } = await exchangeRaw(
      t,
      "GET / HTTP/1.1\r\nX-First: 1\r\nhOsT: h:1\r\nX-DUP: a\r\nx-dup: b\r\nX-Empty:\r\nX-Latin: \xe4\xff\r\n" +
        "cookie: a=1\r\nCookie: b=2\r\nConnection: keep-alive, X-Secret, Host\r\nX-Secret: s\r\n" +
        "Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: x\r\nUpgrade: foo\r\n" +
        "Trailer: x\r\nX-Last:  padded  \r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    const [, ...lines] = received.replace(/(\r\n)+$/, "").split("\r\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/;by=_traffic-switching-[0-9a-f]{8}$/, ";by=ours")),
      [
        "X-First: 1",
        "hOsT: h:1",
        "X-DUP: a",
        "x-dup: b",
        "X-Empty:",
        "X-Latin: \xe4\xff",
        "cookie: a=1",
        "Cookie: b=2",
        "X-Last:  padded  ",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: h:1",
        "X-Real-IP: 127.0.0.1",
        'Forwarded: for=127.0.0.1;host="h:1";proto=http;by=ours',
        "Connection: TE",
        "TE: trailers",
      ],
    );
  },
);

test(
  "an answer's fields keep their case, order, number and bytes, and hop-by-hop fields are gone",
  limit,
  async (t) => {
    const { response } = await exchangeRaw(
      t,
      "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "HTTP/1.1 200 Fine thing\r\nset-cookie: a=1\r\nX-wEiRd: \xe4\xff\r\nSet-Cookie: b=2; Path=/\r\nSET-COOKIE: c=3\r\n" +
        "X-Empty: \r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: X-Secret, keep-alive\r\nX-Secret: s\r\n" +
        'Keep-Alive: timeout=50\r\nProxy-Authenticate: Basic\r\nTrailer: x\r\ncontent-length: 2\r\nETag: "x"\r\n\r\nok',
    );
    assert.equal(response.reason, "Fine thing");
    assert.equal(response.text, "ok");
    assert.deepEqual(
      response.headers.filter(([name]) => !/^(connection|keep-alive)$/i.test(name)),
      [
        ["set-cookie", "a=1"],
        ["X-wEiRd", "\xe4\xff"],
        ["Set-Cookie", "b=2; Path=/"],
        ["SET-COOKIE", "c=3"],
        ["X-Empty", ""],
        ["Date", "Mon, 01 Jan 2024 00:00:00 GMT"],
        ["content-length", "2"],
        ["ETag", '"x"'],
      ],
    );
    assert.deepEqual(response.headerAll("connection"), ["keep-alive"]);
  },
);

for (const status of [204, 304]) {
  test(`an answer ${status} has no body and keeps the connection`, limit, async (t) => {
    routes.on(`/${status}`, (_req, res) => res.writeHead(status, { ETag: '"e"' }).end());
    const client = await openRaw(proxy.port, { t });
    for (let i = 0; i < 2; i++) {
      const answer = await client.send(`GET /${status} HTTP/1.1\r\nHost: h\r\n\r\n`).readResponse();
      assert.equal(answer.status, status);
      assert.equal(answer.header("transfer-encoding"), undefined);
      assert.equal(answer.header("etag"), '"e"');
    }
    assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
  });
}

test(
  "a 304 with the Content-Length of what it stands for does not make the client wait for a body",
  limit,
  async (t) => {
    const { response } = await exchangeRaw(
      t,
      "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    );
    assert.equal(response.status, 304);
  },
);

test(
  "a body of unknown length is chunked for HTTP/1.1 and ends with the connection for HTTP/1.0",
  limit,
  async (t) => {
    routes.on("/chunked", (_req, res) => {
      res.write("one ");
      setImmediate(() => res.end("two"));
    });
    const modern = await openRaw(proxy.port, { t });
    const answer = await modern.send("GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n").readResponse();
    assert.deepEqual([answer.framing, answer.text], ["chunked", "one two"]);
    const old = await openRaw(proxy.port, { t });
    const closed = await old.send("GET /chunked HTTP/1.0\r\nHost: h\r\n\r\n").readResponse();
    assert.deepEqual([closed.framing, closed.text], ["close", "one two"]);
  },
);

test(
  "an HTTP/1.0 client is answered, keeps its connection when it asks to, and needs no Host",
  limit,
  async (t) => {
    const client = await openRaw(proxy.port, { t });
    const kept = await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").readResponse();
    assert.deepEqual([kept.text, kept.header("connection")], ["ok", "keep-alive"]);
    const last = await client.send("GET / HTTP/1.0\r\n\r\n").readResponse();
    assert.equal(last.text, "ok");
    assert.equal(await client.waitClosed(), "end");
  },
);

test("an answer that ends with the backend's connection arrives whole", limit, async (t) => {
  const closing = await startRawBackend(t, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  });
  const own = await startProxy(t, { v1: closing.url, v2: backend.url });
  const client = await openRaw(own.port, { t });
  for (let i = 0; i < 2; i++) {
    const answer = await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse();
    assert.deepEqual([answer.framing, answer.text], ["chunked", "until the end"]);
  }
  assert.equal(closing.connectionsTotal, 2);
});

test("pipelined requests are answered in their order", limit, async (t) => {
  routes.on("/slow", (_req, res) => setTimeout(() => res.end("slow"), 50));
  const client = await openRaw(proxy.port, { t });
  const heads = ["/slow", "/echo", "/slow", "/chunked"].map(
    (path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`,
  );
  client.send(heads.join("")).send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nlast");
  for (const text of ["slow", "", "slow", "one two", "last"]) {
    assert.equal((await client.readResponse()).text, text);
  }
});

test("Expect: 100-continue is the backend's to answer", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  assert.match(await client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 100 /);
  assert.equal((await client.send("hello").readResponse()).text, "hello");
  assert.equal(backend.requests.at(-1)?.headers.expect, "100-continue");
});

test("interim answers of the backend reach the client before the final one", limit, async (t) => {
  routes.on("/hints", (_req, res) => {
    res.writeProcessing();
    res.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => res.end("final"));
  });
  const client = await openRaw(proxy.port, { t });
  const answer = await client.send("GET /hints HTTP/1.1\r\nHost: h\r\n\r\n").readResponse();
  assert.deepEqual([answer.text, answer.interim.map(({ status }) => status)], ["final", [102, 103]]);
});

test("a chunked answer's extensions end here, its trailers pass", limit, async (t) => {
  const { response } = await exchangeRaw(
    t,
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n",
  );
  assert.deepEqual(
    [response.text, response.framing, response.trailers],
    ["abc", "chunked", [["X-Trailer", "t"]]],
  );
});

test(
  "X-Forwarded-For is appended to, and nobody is believed about Proto and Host by default",
  limit,
  async (t) => {
    const client = await openRaw(proxy.port, { t });
    await client
      .send(
        "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n" +
          "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\r\n",
      )
      .readResponse();
    const { headers } = backend.requests.at(-1) ?? {};
    assert.equal(headers?.["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1");
    assert.equal(headers?.["x-forwarded-proto"], "http");
    assert.equal(headers?.["x-forwarded-host"], "h");
  },
);

test("an Upgrade to h2c is served as a plain request, body included", limit, async (t) => {
  const client = await openRaw(proxy.port, { t });
  const answer = await client
    .send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n" +
        "Content-Length: 5\r\n\r\nhello",
    )
    .readResponse();
  assert.equal(answer.text, "hello");
  const { headers } = backend.requests.at(-1) ?? {};
  assert.deepEqual([headers?.upgrade, headers?.["http2-settings"]], [undefined, undefined]);
  assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
});

test(
  "a request that comes back to the proxy is 508, with Via and without, and nothing goes round",
  limit,
  async (t) => {
    for (const via of ["off", "auto", "edge-1"]) {
      const port = await freePort();
      const own = `http://127.0.0.1:${port}`;
      const looped = await startProxy(t, { v1: own, v2: backend.url, config: { server: { via, port } } });
      const client = await openRaw(port, { t });
      const answer = await client.send("GET /round HTTP/1.1\r\nHost: h\r\n\r\n").readResponse();
      assert.deepEqual([answer.status, parseJsonObject(answer.text).code], [508, "LOOP_DETECTED"]);
      assert.match(
        (await looped.admin("GET", "/metrics")).body,
        /http_refusals_total\{reason="loop_detected"\} 1\n/,
      );
    }
  },
);

test("two daemons in a row do not take each other for a loop", limit, async (t) => {
  const inner = await startProxy(t, {
    v1: backend.url,
    v2: backend.url,
    config: { server: { via: "auto" } },
  });
  const outer = await startProxy(t, { v1: inner.url, v2: inner.url, config: { server: { via: "auto" } } });
  const client = await openRaw(outer.port, { t });
  assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
  const { headers } = backend.requests.at(-1) ?? {};
  assert.match(
    String(headers?.via),
    /^1\.1 traffic-switching-[0-9a-f]{8}, 1\.1 traffic-switching-[0-9a-f]{8}$/,
  );
  assert.match(String(headers?.forwarded), /^for=127\.0\.0\.1;.*, for=127\.0\.0\.1;/);
});
