/** HttpListener: takes connections in within their limits, and lets them go; the same on both engines. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { ConnectionLimit } from "../../../../src/core/connection-count.ts";
import { keepAliveLines } from "../../../../src/data-plane/listener/client-connection.ts";
import { HttpListener, type Verdict } from "../../../../src/data-plane/listener/http-listener.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { openRaw, type RawClient } from "../../../support/raw-client.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
/** Of the requests of these tests; `/held` is never answered. */
const HELD = GET.replace("/ ", "/held ");

interface Scene {
  readonly listener: HttpListener;
  /** Addresses that came and left, by the gate. */
  readonly entered: string[];
  readonly left: string[];
  readonly refused: ConnectionLimit[];
  readonly coarse: { nowMs: number };
  connect(): Promise<RawClient>;
}

type Enter = (count: number) => Verdict | Promise<Verdict>;

/** @param enter what the gate says to each connection, by its number. */
async function startScene(t: TestContext, enter: Enter = () => null): Promise<Scene> {
  const coarse = { nowMs: 1_000_000 };
  const entered: string[] = [];
  const left: string[] = [];
  const refused: ConnectionLimit[] = [];
  const listener = new HttpListener({
    engine: engineOf(t),
    context: {
      limits: {
        headerTimeoutMs: 1_000,
        keepAliveTimeoutMs: 5_000,
        maxHeaderBytes: 16_384,
        maxHeaderCount: 100,
        maxTargetBytes: 8_192,
        maxRequestsPerConnection: 1_000,
      },
      keepAliveLines: keepAliveLines(5_000),
      coarse,
      ending: { isEnding: false },
      onRequest: (client, { target }) => {
        if (target === "/held") return;
        client.answer(200, [], client.side.address, false);
        client.flush();
        client.finish();
      },
      onRefusal: () => {},
    },
    gate: {
      enter: (address) => {
        entered.push(address);
        return enter(entered.length);
      },
      leave: (address) => void left.push(address),
    },
    isTrusted: () => false,
    onRefusedConnection: (reached) => void refused.push(reached),
  });
  listener.server.listen(0, "127.0.0.1");
  await once(listener.server, "listening");
  const { port } = listener.server.address() as AddressInfo;
  onTestEnd(t, () => {
    listener.server.close();
    listener.closeAll();
  });
  return { listener, entered, left, refused, coarse, connect: () => openRaw(port, { t }) };
}

test("it says whether connections are on their handles", limit, async (t) => {
  const { listener } = await startScene(t);
  assert.equal(listener.isOnHandles, engineOf(t) === "auto" && process.platform === "linux");
});

test("connections are counted while they are open, and the gate is told of each", limit, async (t) => {
  const { listener, entered, left, connect } = await startScene(t);
  const clients = [await connect(), await connect(), await connect()];
  await waitUntil("they are taken in", () => listener.connections === 3);
  for (const client of clients) {
    assert.equal((await client.send(GET).readResponse()).text, "127.0.0.1");
  }
  assert.deepEqual([listener.accepted, entered, left], [3, Array(3).fill("127.0.0.1"), []]);
  clients[0]?.end();
  await waitUntil("one has left", () => listener.connections === 2);
  clients[1]?.reset();
  await waitUntil("another has left", () => listener.connections === 1);
  listener.closeAll();
  await clients[2]?.waitClosed();
  await waitUntil("all have left", () => listener.connections === 0);
  assert.deepEqual([listener.accepted, left], [3, Array(3).fill("127.0.0.1")]);
});

test("past the limit a client is told so, reads all of it, and counts for nothing", limit, async (t) => {
  const { listener, left, refused, connect } = await startScene(t, (count) =>
    count > 1 ? "max_connections" : null,
  );
  const served = await connect();
  await waitUntil("it is taken in", () => listener.connections === 1);
  const upload = `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n${"x".repeat(900_000)}`;
  for (const bytes of ["", GET, upload]) {
    const client = await connect();
    client.send(bytes); // what comes must not reset the answer
    const answer = await client.readResponse();
    assert.deepEqual([answer.status, answer.header("connection")], [503, "close"]);
    assert.match(answer.text, /"code":"TOO_MANY_CONNECTIONS".*server\.max_connections/);
    assert.equal(await client.waitClosed(), "end");
    client.end();
  }
  assert.deepEqual([listener.connections, left], [1, []]);
  assert.deepEqual(refused, Array(3).fill("max_connections"));
  assert.equal((await served.send(GET).readResponse()).status, 200);
});

test("a refused client that does not leave is cut after a second", limit, async (t) => {
  const { connect } = await startScene(t, () => "max_connections_per_client");
  const client = await connect();
  assert.equal((await client.readResponse()).status, 503);
  assert.equal(await client.waitClosed(), "end");
  await waitUntil("it is cut", () => {
    client.send("x"); // answered with a reset once nobody is there
    return client.socket.destroyed;
  });
});

test("while the gate thinks nothing is read, and nothing is lost", limit, async (t) => {
  const thinking: ((verdict: Verdict) => void)[] = [];
  const { listener, left, refused, connect } = await startScene(
    t,
    () => new Promise<Verdict>((resolve) => thinking.push(resolve)),
  );
  const clients = [await connect(), await connect(), await connect()];
  for (const client of clients) client.send(GET);
  await waitUntil("the gate is asked", () => thinking.length === 3);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.deepEqual([listener.connections, clients.map(({ bytesReceived }) => bytesReceived)], [0, [0, 0, 0]]);
  for (const [i, verdict] of ([null, "max_connections", "uncounted"] as const).entries())
    thinking[i]?.(verdict);
  const answers = await Promise.all(clients.map((client) => client.readResponse()));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 503, 200],
  );
  assert.deepEqual([listener.connections, refused], [2, ["max_connections"]]);
  for (const client of clients) client.destroy();
  await waitUntil("all have left", () => listener.connections === 0);
  assert.deepEqual(left, ["127.0.0.1"], "only the one that was counted leaves");
});

test("a client that leaves while the gate thinks is counted out again", limit, async (t) => {
  const thinking: ((verdict: Verdict) => void)[] = [];
  const { listener, left, connect } = await startScene(
    t,
    () => new Promise<Verdict>((resolve) => thinking.push(resolve)),
  );
  const client = await connect();
  await waitUntil("the gate is asked", () => thinking.length === 1);
  client.reset();
  await waitUntil("it has left", () => client.socket.destroyed);
  thinking[0]?.(null);
  await waitUntil("it is counted out", () => left.length === 1);
  await waitUntil("it is gone", () => listener.connections === 0);
});

test(
  "it closes those between two requests, those that are silent, or all, and no others",
  limit,
  async (t) => {
    const { listener, connect } = await startScene(t);
    const silent = await connect();
    const idle = await connect();
    assert.equal((await idle.send(GET).readResponse()).status, 200);
    const begun = await connect();
    begun.send("GET / HT");
    const running = await connect();
    running.send(HELD);
    await waitUntil("they are taken in", () => listener.connections === 4);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate); // what they sent is read
    listener.closeIdle();
    assert.equal(await idle.waitClosed(), "end");
    idle.end();
    await waitUntil("it is gone", () => listener.connections === 3);
    listener.closeSilent();
    await silent.waitClosed();
    await waitUntil("it is gone", () => listener.connections === 2);
    assert.deepEqual([begun.ending, running.ending], [undefined, undefined]);
    listener.closeAll();
    await Promise.all([begun.waitClosed(), running.waitClosed()]);
    await waitUntil("all are gone", () => listener.connections === 0);
  },
);

test("a head that does not come in time is refused at a look", limit, async (t) => {
  const { listener, coarse, connect } = await startScene(t);
  const client = await connect();
  client.send("GET / HT");
  await waitUntil("it is taken in", () => listener.connections === 1);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  listener.checkTimeLimits(coarse.nowMs + 1_000);
  assert.equal(client.ending, undefined);
  listener.checkTimeLimits(coarse.nowMs + 1_001);
  assert.equal((await client.readResponse()).status, 408);
});

test("it has closed when the last connection has ended, and takes no more meanwhile", limit, async (t) => {
  const { listener, connect } = await startScene(t);
  const clients = [await connect(), await connect()];
  await waitUntil("they are taken in", () => listener.connections === 2);
  let closes = 0;
  listener.close(() => closes++);
  await assert.rejects(connect());
  clients[0]?.end();
  await waitUntil("one has left", () => listener.connections === 1);
  assert.equal(closes, 0);
  assert.equal((await clients[1]?.send(GET).readResponse())?.status, 200);
  clients[1]?.end();
  await waitUntil("it is told", () => closes > 0);
  assert.deepEqual([closes, listener.connections], [1, 0]);
});

test("without connections it has closed at once", limit, async (t) => {
  const { listener } = await startScene(t);
  let closes = 0;
  listener.close(() => closes++);
  assert.equal(closes, 1);
});
