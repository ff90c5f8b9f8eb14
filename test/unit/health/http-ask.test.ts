/**
 * The primary's way of asking: over real sockets, plain and TLS, whatever the backend does. Where a worker's way
 * would judge, both are asked and must agree.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { ProbeTerms } from "../../../src/config/probe-config.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { ask } from "../../../src/data-plane/forward/ask.ts";
import { Connector } from "../../../src/data-plane/forward/connect.ts";
import { ConnectionPool } from "../../../src/data-plane/forward/connection-pool.ts";
import { httpAsk } from "../../../src/health/http-ask.ts";
import { type Ask, type ProbeReport, probe } from "../../../src/health/probe.ts";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { backendOf } from "../../support/backend-of.ts";
import { type Certificate, makeAuthority, NEEDS_OPENSSL } from "../../support/certificates.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { startStuckBackend } from "../../support/stuck-backend.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS = { maxHeaderBytes: 8_192, maxHeaderCount: 100 };
const TERMS: ProbeTerms = {
  host: null,
  headers: [],
  expectHeaders: [],
  expectBody: null,
  maxLatencyMs: null,
  method: "GET",
  path: "/health?x=1",
  expect: [{ from: 200, to: 399 }],
  timeoutMs: 5_000,
};

function workersWay(t: TestContext, origin: string): Ask {
  const pool = new ConnectionPool(new URL(origin), {
    maxConnections: 1,
    maxIdleConnections: 1,
    maxQueue: 1,
    connectTimeoutMs: 1_000,
    tlsHandshakeTimeoutMs: 1_000,
    keepAliveTimeoutMs: 60_000,
    engine: "auto",
    ...LIMITS,
  });
  onTestEnd(t, () => pool.destroy());
  return (request, handler) => ask(pool, backendOf("v1", origin, 0), request, handler);
}

interface Asking extends Partial<ProbeTerms> {
  readonly addresses?: readonly string[];
  readonly signal?: AbortSignal;
}

async function probeOf(origin: string, { addresses = [], signal, ...terms }: Asking = {}) {
  const way = httpAsk({ origin, addresses }, LIMITS);
  return await probe(way, { ...TERMS, ...terms }, systemClock, signal ?? new AbortController().signal);
}

/** Sockets and look-ups that this process still has. */
const openHandles = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS|GetAddrInfo|Timeout)/.test(name));

/** A backend that says `bytes` once it was asked, and then does what `then` says. */
function saying(bytes: string, then: (socket: Socket) => void = () => {}) {
  return (t: TestContext) =>
    startRawBackend(t, (socket) => {
      socket.once("data", () => {
        socket.write(Buffer.from(bytes, "latin1"));
        then(socket);
      });
    });
}

const OK_HEAD = "HTTP/1.1 200 OK\r\n";
const manyFields = (count: number): string =>
  Array.from({ length: count }, (_, i) => `X-${i}: 1\r\n`).join("");

/** What backends say, and what any probe must make of it. */
const ANSWERS: readonly {
  readonly what: string;
  readonly backend: ReturnType<typeof saying>;
  readonly terms?: Partial<ProbeTerms>;
  readonly status: number | null;
  /** null: it is good. */
  readonly saw: RegExp | null;
}[] = [
  {
    what: "a whole answer",
    backend: saying(`${OK_HEAD}Content-Length: 2\r\n\r\nok`),
    status: 200,
    saw: null,
  },
  {
    what: "a status that is not expected",
    backend: saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
    status: 503,
    saw: /^503, expected 200-399$/,
  },
  {
    what: "an interim answer before the answer",
    backend: saying(`HTTP/1.1 102 Processing\r\n\r\n${OK_HEAD}Content-Length: 0\r\n\r\n`),
    status: 200,
    saw: null,
  },
  {
    what: "a body that ends with its connection",
    backend: saying(`${OK_HEAD}\r\nall is well`, (socket) => void socket.end()),
    terms: { expectBody: "is well" },
    status: 200,
    saw: null,
  },
  {
    what: "a body in chunks",
    backend: saying(`${OK_HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nwel\r\n1\r\nl\r\n0\r\n\r\n`),
    terms: { expectBody: "well" },
    status: 200,
    saw: null,
  },
  {
    what: "a field with a byte above ASCII",
    backend: saying(`${OK_HEAD}X-Name: caf\xe9 \r\nContent-Length: 0\r\n\r\n`),
    terms: { expectHeaders: [{ name: "x-name", value: "caf\xe9" }] },
    status: 200,
    saw: null,
  },
  {
    what: "a body that breaks off",
    backend: saying(`${OK_HEAD}Content-Length: 10\r\n\r\nhalf`, (socket) => void socket.end()),
    status: 200,
    saw: /^200, then http:\S+ closed the connection$/,
  },
  {
    what: "a reset instead of an answer",
    backend: saying("", (socket) => void socket.resetAndDestroy()),
    status: null,
    saw: /closed the connection/,
  },
  {
    what: "an end instead of an answer",
    backend: saying("", (socket) => void socket.end()),
    status: null,
    saw: /closed the connection$/,
  },
  {
    what: "garbage",
    backend: saying("220 mail.example.com ESMTP\r\n"),
    status: null,
    saw: /the answer of http:\S+ is not valid HTTP: /,
  },
  {
    what: "a field name with a blank in it",
    backend: saying(`${OK_HEAD}X Y: 1\r\nContent-Length: 0\r\n\r\n`),
    status: null,
    saw: /is not valid HTTP/,
  },
  {
    what: "a control character in a field",
    backend: saying(`${OK_HEAD}X-Y: a\x01b\r\nContent-Length: 0\r\n\r\n`),
    status: null,
    saw: /is not valid HTTP/,
  },
  {
    what: "two lengths",
    backend: saying(`${OK_HEAD}Content-Length: 0\r\nContent-Length: 1\r\n\r\n`),
    status: null,
    saw: /is not valid HTTP/,
  },
  {
    what: "an upgrade that nobody asked for",
    backend: saying("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    status: null,
    saw: /is not valid HTTP/,
  },
  {
    what: "as many fields as are allowed",
    backend: saying(`${OK_HEAD}${manyFields(99)}Content-Length: 0\r\n\r\n`),
    status: 200,
    saw: null,
  },
  {
    what: "one field more than that",
    backend: saying(`${OK_HEAD}${manyFields(100)}Content-Length: 0\r\n\r\n`),
    status: null,
    saw: /more than 100 header fields/,
  },
  {
    what: "a head that is too large",
    backend: saying(`${OK_HEAD}X-Large: ${"x".repeat(9_000)}\r\nContent-Length: 0\r\n\r\n`),
    status: null,
    saw: /not valid HTTP: .*(8192|large)/,
  },
  {
    what: "a huge body",
    backend: (t) => startBackend(t, (_req, res) => void res.end(Buffer.alloc(1024 * 1024 + 1))),
    status: 200,
    saw: /^200, with a body of more than 1048576 bytes$/,
  },
  {
    what: "a connection that is taken, and silence",
    backend: (t) => startRawBackend(t, (socket) => socket.resume()),
    terms: { timeoutMs: 150 },
    status: null,
    saw: /^no answer within 150 ms$/,
  },
  {
    what: "a body that drips",
    backend: (t) =>
      startBackend(t, (_req, res) => {
        const drip = setInterval(() => res.write("x"), 20);
        res.once("close", () => clearInterval(drip));
      }),
    terms: { timeoutMs: 150 },
    status: 200,
    saw: /^200, but its body did not end within 150 ms$/,
  },
];

for (const { what, backend, terms = {}, status, saw } of ANSWERS) {
  test(`${what}: the primary judges it as a worker does, and its connection is closed`, limit, async (t) => {
    const { url, ...rest } = await started(t, backend);
    const own = await probeOf(url, terms);
    await waitUntil("the connection is closed", () => rest.connections() === 0);
    const signal = new AbortController().signal;
    const workers = await probe(workersWay(t, url), { ...TERMS, ...terms }, systemClock, signal);
    assertIs(own, status, saw);
    assert.deepEqual([workers.ok, workers.status], [own.ok, own.status], `a worker saw ${workers.saw}`);
  });
}

async function started(t: TestContext, start: ReturnType<typeof saying>) {
  const backend = await start(t);
  return { url: backend.url, connections: () => backend.connections };
}

function assertIs(report: ProbeReport, status: number | null, saw: RegExp | null): void {
  assert.deepEqual([report.ok, report.status], [saw === null, status], report.saw);
  assert.match(report.saw, saw ?? /^200$/);
}

test("a backend that is not there is bad, and the report says so as a worker's does", limit, async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const report = await probeOf(url);
  const workers = await probe(workersWay(t, url), TERMS, systemClock, new AbortController().signal);
  assert.equal(report.saw, workers.saw);
  assert.match(report.saw, /^cannot connect to http:\S+: connect ECONNREFUSED/);
});

test("a backend that does not even accept is bad when its time is over", limit, async (t) => {
  const { url } = await startStuckBackend(t);
  const before = openHandles().length;
  assert.equal((await probeOf(url, { timeoutMs: 100 })).saw, "no answer within 100 ms");
  await waitUntil("nothing is left of it", () => openHandles().length <= before);
});

test(
  "every probe has a connection of its own, and the fields that a worker's probe has",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const terms: Partial<ProbeTerms> = {
      host: "app.example.com:8443",
      headers: [
        { name: "Authorization", value: "Bearer secret" },
        { name: "user-agent", value: "mine" },
      ],
    };
    for (const method of ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", "DELETE"]) {
      const origin = backend.url;
      const seen = async (way: Ask) => {
        const next = backend.requestSeen();
        const asked = { ...TERMS, ...terms, method };
        assert.equal((await probe(way, asked, systemClock, new AbortController().signal)).ok, true);
        const request = await next;
        return { ...request, what: [request.method, request.url, ...request.rawHeaders] };
      };
      const opened = backend.connectionsTotal;
      const first = await seen(httpAsk({ origin, addresses: [] }, LIMITS));
      await seen(httpAsk({ origin, addresses: [] }, LIMITS));
      assert.equal(backend.connectionsTotal, opened + 2);
      const workers = await seen(workersWay(t, origin));
      assert.deepEqual(first.what, [...workers.what, "Connection", "close"]);
      assert.equal(first.bodyBytes, 0);
    }
  },
);

test("without a host of its own a probe names the backend, also at a given address", limit, async (t) => {
  const backend = await startBackend(t);
  const origin = `http://backend.invalid:${backend.port}`;
  assert.equal((await probeOf(origin, { addresses: ["127.0.0.1"] })).ok, true);
  assert.equal(backend.requests[0]?.headers.host, `backend.invalid:${backend.port}`);
});

test("the addresses of a name are tried until one answers", limit, async (t) => {
  const backend = await startBackend(t);
  const origin = `http://backend.invalid:${backend.port}`;
  const report = await probeOf(origin, { addresses: ["127.0.0.99", "127.0.0.1"] });
  assert.equal(report.ok, true, report.saw);
  assert.match((await probeOf(origin, { addresses: ["127.0.0.99"] })).saw, /ECONNREFUSED 127\.0\.0\.99/);
});

test("a name that does not exist is bad", limit, async () => {
  assert.match((await probeOf("http://nowhere.invalid:1")).saw, /getaddrinfo/);
});

test("a probe that is given up, at whatever moment, leaves no socket and no timer", limit, async (t) => {
  const silent = await startRawBackend(t, (socket) => socket.resume());
  const before = openHandles().length;
  for (const delayMs of [0, 1, 5, 20]) {
    const stop = new AbortController();
    const report = probeOf(silent.url, { signal: stop.signal });
    if (delayMs === 0) stop.abort();
    else setTimeout(() => stop.abort(), delayMs);
    assert.equal((await report).isCutShort, true);
  }
  await waitUntil("every connection is closed", () => silent.connections === 0);
  await waitUntil("nothing is left of them", () => openHandles().length <= before);
});

// ── TLS ───────────────────────────────────────────────────────────────────────────────────────────

async function startTlsBackend(t: TestContext, { cert, key }: Certificate) {
  const names: string[] = [];
  const asked: string[] = [];
  const server = createTlsServer({ cert, key }, (req, res) => {
    asked.push(`${req.headers.host} ${req.headers.authorization}`);
    res.end("ok");
  });
  server.on("connection", (socket) => socket.on("error", () => {}));
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => names.push(String(socket.servername)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(t, async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { port: (server.address() as AddressInfo).port, names, asked };
}

test("TLS goes by the backend's own name, at whatever address, and never by the Host that is sent", {
  ...limit,
  skip: NEEDS_OPENSSL,
}, async (t) => {
  const authority = await makeAuthority(t);
  const trusted = getCACertificates("default");
  setDefaultCACertificates([authority.cert]);
  onTestEnd(t, () => setDefaultCACertificates(trusted));
  const { port, names, asked } = await startTlsBackend(t, await authority.issue("backend"));

  const byAddress = await probeOf(`https://127.0.0.1:${port}`);
  assert.equal(byAddress.ok, true, byAddress.saw);
  const byName = await probeOf(`https://localhost:${port}`, { addresses: ["127.0.0.1"], host: "other" });
  assert.equal(byName.ok, true, byName.saw);
  const rooted = `https://localhost.:${port}`; // looked up as it stands, without search domains
  assert.equal((await probeOf(rooted, { addresses: ["127.0.0.1"] })).ok, true);
  const inWorker = new Connector(new URL(rooted), { connectTimeoutMs: 1_000, tlsHandshakeTimeoutMs: 1_000 });
  inWorker.setAddresses(["127.0.0.1"]);
  const socket = await new Promise<Socket | null>((resolve) => {
    inWorker.connect((_error, opened) => resolve(opened));
  });
  await waitUntil("the backend has seen it", () => names.length === 4);
  socket?.destroy();
  assert.deepEqual(names, ["false", "localhost", "localhost", "localhost"]);
  assert.deepEqual(
    asked.map((each) => each.split(" ")[0]),
    [`127.0.0.1:${port}`, "other", `localhost.:${port}`],
  );
  const wrong = await probeOf(`https://backend.invalid:${port}`, {
    addresses: ["127.0.0.1"],
    host: "localhost",
    headers: [{ name: "Authorization", value: "secret" }],
  });
  assert.equal(wrong.ok, false);
  assert.match(wrong.saw, /cannot connect to https:\S+: TLS: Hostname\/IP does not match/);
  assert.equal(asked.length, 3, "a secret was sent to somebody who is not the backend");
});

test("a certificate that nobody vouches for is bad, and so is a backend that speaks no TLS", {
  ...limit,
  skip: NEEDS_OPENSSL,
}, async (t) => {
  const { port, asked } = await startTlsBackend(t, await (await makeAuthority(t)).issue("backend"));
  assert.match(
    (await probeOf(`https://127.0.0.1:${port}`)).saw,
    /cannot connect to https:\S+: TLS: .*certificate/,
  );
  assert.equal(asked.length, 0);
  const plain = await startBackend(t);
  assert.match(
    (await probeOf(plain.url.replace("http:", "https:"))).saw,
    /cannot connect to https:\S+: TLS: wrong version number$/,
  );
  const silent = await startRawBackend(t, (socket) => socket.resume());
  const late = await probeOf(silent.url.replace("http:", "https:"), { timeoutMs: 100 });
  assert.equal(late.saw, "no answer within 100 ms");
  await waitUntil("the connection is closed", () => silent.connections === 0);
  const closing = await startRawBackend(t, (socket) => void socket.end());
  assert.match(
    (await probeOf(closing.url.replace("http:", "https:"))).saw,
    /cannot connect to https:\S+: TLS: ./,
  );
});
