/**
 * Connect: a new connection within its time limits, or the reason why there is none.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { ProxyError } from "../../../../src/core/errors.ts";
import { BackendConnection } from "../../../../src/data-plane/forward/backend-connection.ts";
import { type ConnectLimits, Connector, describeError } from "../../../../src/data-plane/forward/connect.ts";
import { backendTransport } from "../../../../src/data-plane/sockets/open-transport.ts";
import { startRawBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { engineOf, testEngines } from "../../../support/engines.ts";
import { freePort } from "../../../support/free-port.ts";
import { SeenAnswer } from "../../../support/seen-answer.ts";
import { startStuckBackend } from "../../../support/stuck-backend.ts";
import { waitUntil, withLimit } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS: ConnectLimits = { connectTimeoutMs: 2_000, tlsHandshakeTimeoutMs: 2_000 };

interface Connecting {
  /** Every time that was called back: a socket, or the error. */
  readonly outcomes: (Socket | ProxyError)[];
  outcome(): Promise<Socket | ProxyError>;
  cancel(): void;
}

function connectTo(t: TestContext, url: string, limits: Partial<ConnectLimits> = {}): Connecting {
  const outcomes: (Socket | ProxyError)[] = [];
  let onOutcome = (): void => {};
  const first = new Promise<void>((resolve) => {
    onOutcome = resolve;
  });
  const cancel = new Connector(new URL(url), { ...LIMITS, ...limits }).connect((error, socket) => {
    assert.notEqual(error === null, socket === null, "either a socket or an error");
    if (socket !== null) onTestEnd(t, () => socket.destroy());
    outcomes.push((error ?? socket) as Socket | ProxyError);
    onOutcome();
  });
  const outcome = async (): Promise<Socket | ProxyError> => {
    await withLimit(first, 5_000, `an outcome of ${url}`);
    return outcomes[0] as Socket | ProxyError;
  };
  return { outcomes, outcome, cancel };
}

async function failureOf(connecting: Connecting): Promise<ProxyError> {
  const error = await connecting.outcome();
  assert.ok(error instanceof Error, "it is connected");
  return error;
}

test("an open connection is called back once, with none of our listeners left on it", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => socket.resume());
  const connecting = connectTo(t, backend.url);
  const socket = await connecting.outcome();
  assert.ok(!(socket instanceof Error));
  assert.equal(socket.remotePort, backend.port);
  assert.equal(socket.allowHalfOpen, true);
  for (const event of ["connect", "error", "close", "data"])
    assert.equal(socket.listenerCount(event), 0, event);
  socket.destroy();
  await once(socket, "close");
  assert.equal(connecting.outcomes.length, 1);
});

test("an address in brackets is connected to without them", limit, async (t) => {
  const error = await failureOf(connectTo(t, `http://[::1]:${await freePort()}`));
  assert.equal(error.code, "BACKEND_CONNECT_FAILED");
  assert.match(error.message, /connect E[A-Z]+ ::1:\d+/);
});

test("a refused connection fails, and says where to and why", limit, async (t) => {
  const port = await freePort();
  const error = await failureOf(connectTo(t, `http://127.0.0.1:${port}/`));
  assert.equal(error.code, "BACKEND_CONNECT_FAILED");
  const why = `connect ECONNREFUSED 127.0.0.1:${port}`;
  assert.equal(error.message, `cannot connect to http://127.0.0.1:${port}: ${why}`);
  assert.ok(error.cause instanceof Error);
});

test("a host of several addresses of which none answers says why of the first", limit, async (t) => {
  const error = await failureOf(connectTo(t, `http://localhost:${await freePort()}`));
  assert.equal(error.code, "BACKEND_CONNECT_FAILED");
  assert.match(error.message, /: connect ECONNREFUSED (127\.0\.0\.1|::1):\d+$/);
});

test("one that takes too long is given up in time", limit, async (t) => {
  const stuck = await startStuckBackend(t);
  const startedMs = performance.now();
  const error = await failureOf(connectTo(t, stuck.url, { connectTimeoutMs: 100 }));
  assert.equal(error.code, "BACKEND_CONNECT_TIMEOUT");
  assert.equal(error.message, `no connection to ${stuck.url} in time`);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 95, `${tookMs} ms`);
});

test("one that is given up calls nothing back, whatever becomes of it", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => socket.resume());
  const refused = connectTo(t, `http://127.0.0.1:${await freePort()}`);
  const open = connectTo(t, backend.url);
  for (const { cancel } of [refused, open]) cancel();
  const later = connectTo(t, backend.url); // accepted behind the one that was given up
  assert.ok(!((await later.outcome()) instanceof Error));
  await waitUntil("it is the only one left", () => backend.connections === 1);
  assert.deepEqual([refused.outcomes, open.outcomes], [[], []]);
});

// ── TLS ───────────────────────────────────────────────────────────────────────────────────────────

/** What a client says first to a backend that never answers. */
async function helloTo(t: TestContext, host: string): Promise<string> {
  let hello = "";
  const backend = await startRawBackend(t, (socket) => {
    socket.on("data", (bytes) => {
      hello += bytes.toString("latin1");
    });
  });
  connectTo(t, `https://${host}:${backend.port}`);
  await waitUntil("it has spoken", () => hello.length > 100);
  return hello;
}

test("TLS asks for the backend's own name, and for HTTP/1.1 alone", limit, async (t) => {
  const hello = await helloTo(t, "localhost");
  assert.ok(hello.startsWith("\x16\x03"), "no TLS hello");
  assert.ok(hello.includes("\0\x09localhost"));
  assert.ok(hello.includes("\0\x09\x08http/1.1"), "not a list of one name"); // with both lengths before it
});

test("an address is no name to ask for", limit, async (t) => {
  const hello = await helloTo(t, "127.0.0.1");
  assert.doesNotMatch(hello, /127\.0\.0\.1/);
});

test("a handshake that takes too long is given up in time, counted from the connection", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => socket.resume());
  const connecting = connectTo(t, `https://127.0.0.1:${backend.port}`, { tlsHandshakeTimeoutMs: 100 });
  const error = await failureOf(connecting);
  assert.equal(error.code, "BACKEND_CONNECT_TIMEOUT");
  assert.match(error.message, /^TLS: no connection to https:/);
  await waitUntil("the backend sees the end", () => backend.connections === 0);
  assert.equal(connecting.outcomes.length, 1);
});

test(
  "a backend that does not speak TLS, or closes at once, fails the connect, and TLS is named",
  limit,
  async (t) => {
    for (const [why, answer] of [
      [
        "wrong version number",
        (socket: Socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
      ],
      ["Client network socket disconnected.*", (socket: Socket) => socket.once("data", () => socket.end())],
      ["read ECONNRESET", (socket: Socket) => socket.once("data", () => socket.resetAndDestroy())],
    ] as const) {
      const backend = await startRawBackend(t, answer);
      const connecting = connectTo(t, `https://127.0.0.1:${backend.port}`);
      const error = await failureOf(connecting);
      assert.equal(error.code, "BACKEND_CONNECT_FAILED");
      assert.match(
        error.message,
        new RegExp(`^cannot connect to https://127\\.0\\.0\\.1:${backend.port}: TLS: ${why}$`),
      );
    }
  },
);

// ── what is left of a connection whose write has failed ───────────────────────────────────────────

testEngines(
  "an answer that came before the connection broke is read, although a write fails first",
  limit,
  async (t) => {
    const accepted: Socket[] = [];
    const backend = await startRawBackend(t, (socket) => void accepted.push(socket.pause()));
    const socket = await connectTo(t, backend.url).outcome();
    assert.ok(!(socket instanceof Error));
    const limits = { maxHeaderBytes: 1_000, maxHeaderCount: 10 };
    const owner = { limits, origin: backend.url, onReleased: () => {}, onGone: () => {} };
    const transport = backendTransport(socket, engineOf(t));
    onTestEnd(t, () => transport.destroy());
    const connection = new BackendConnection(transport, owner);
    const answer = new SeenAnswer();
    connection.start(answer, "POST", "POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", false);
    connection.flush();
    const [far] = await waitUntil("it is accepted", () => accepted.length === 1 && accepted);
    // All in one turn of the event loop: answered, reset and written to, before anything could be read.
    far?.write("HTTP/1.1 413 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    far?.resetAndDestroy();
    connection.sendPiece(Buffer.alloc(64 * 1_024), false);
    connection.flush();
    await answer.over();
    assert.deepEqual([answer.told, answer.body], [["head 413", "end"], "no"]);
  },
);

testEngines(
  "a failed write fails the request in the end, also while nothing of the answer is read",
  limit,
  async (t) => {
    const accepted: Socket[] = [];
    const backend = await startRawBackend(t, (socket) => void accepted.push(socket));
    const socket = await connectTo(t, backend.url).outcome();
    assert.ok(!(socket instanceof Error));
    await waitUntil("it is accepted", () => accepted.length === 1);
    const [far] = accepted;
    assert.ok(far);
    const limits = { maxHeaderBytes: 1_000, maxHeaderCount: 10 };
    const owner = { limits, origin: backend.url, onReleased: () => {}, onGone: () => {} };
    const transport = backendTransport(socket, engineOf(t));
    onTestEnd(t, () => transport.destroy());
    const connection = new BackendConnection(transport, owner);
    const answer = new SeenAnswer();
    connection.start(answer, "POST", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", false);
    connection.flush();
    connection.pause();
    far.write(Buffer.alloc(8 * 1024 * 1024, "x"));
    let before = -1;
    await waitUntil("nothing is read", () => {
      const isStill = far.writableLength === before;
      before = far.writableLength;
      return isStill;
    });
    assert.ok(before > 0, "all of it was taken");
    far.resetAndDestroy();
    await waitUntil("the reset has come", () => far.destroyed);
    connection.sendPiece(Buffer.from("x"), false);
    connection.flush();
    assert.equal(await answer.over(), "failed BACKEND_CLOSED");
  },
);

// ── why, for people ───────────────────────────────────────────────────────────────────────────────

test("an error is described by its message, by the first of several, by its code, by its name", () => {
  const several = new AggregateError([new Error("connect ECONNREFUSED ::1:9000"), new Error("x")]);
  for (const [error, text] of [
    [new Error("connect ECONNREFUSED 127.0.0.1:1"), "connect ECONNREFUSED 127.0.0.1:1"],
    [several, "connect ECONNREFUSED ::1:9000"],
    [Object.assign(new Error(""), { code: "ECONNREFUSED" }), "ECONNREFUSED"],
    [Object.assign(new AggregateError([]), { code: "EX" }), "EX"],
    [new TypeError(""), "TypeError"],
  ] as const) {
    assert.equal(describeError(error), text);
  }
});
