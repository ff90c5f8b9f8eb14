/**
 * Addresses of a backend: connections go to those it was given, in turn, and leave those that left.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Addresses } from "../../../../src/data-plane/forward/addresses.ts";
import { Connector } from "../../../../src/data-plane/forward/connect.ts";
import { startRawBackend } from "../../../support/backend.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { freePort } from "../../../support/free-port.ts";
import { withLimit } from "../../../support/wait.ts";

const limit = { timeout: 20_000 };
const LIMITS = { connectTimeoutMs: 2_000, tlsHandshakeTimeoutMs: 2_000 };

async function peerOf(t: TestContext, connector: Connector): Promise<string | undefined> {
  const socket = await open(t, connector);
  return socket.remoteAddress;
}

function open(t: TestContext, connector: Connector): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connector.connect((error, socket) => {
      if (socket === null) return reject(error);
      onTestEnd(t, () => void socket.destroy());
      resolve(socket);
    });
  });
}

/** A listener on one port of several addresses, all but the `missing` one. */
async function startOn(t: TestContext, hosts: readonly string[]): Promise<number> {
  const port = await freePort();
  for (const host of hosts) await startRawBackend(t, (socket) => socket.resume(), { port, host });
  return port;
}

test("connections take the given addresses in turn, and look no name up", limit, async (t) => {
  const hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
  const port = await startOn(t, hosts);
  const connector = new Connector(new URL(`http://never.invalid:${port}`), LIMITS);
  connector.setAddresses(hosts);
  const peers = [];
  for (let i = 0; i < 6; i++) peers.push(await peerOf(t, connector));
  assert.deepEqual(peers, [...hosts, ...hosts]);
});

test("an address where nobody listens is passed over", limit, async (t) => {
  const port = await startOn(t, ["127.0.0.3"]);
  const connector = new Connector(new URL(`http://never.invalid:${port}`), LIMITS);
  connector.setAddresses(["127.0.0.2", "127.0.0.3", "::1"]);
  for (let i = 0; i < 4; i++) assert.equal(await peerOf(t, connector), "127.0.0.3");
});

test("the next connection goes to the new addresses", limit, async (t) => {
  const port = await startOn(t, ["127.0.0.2", "127.0.0.3"]);
  const connector = new Connector(new URL(`http://never.invalid:${port}`), LIMITS);
  connector.setAddresses(["127.0.0.2"]);
  assert.equal(await peerOf(t, connector), "127.0.0.2");
  connector.setAddresses(["127.0.0.3"]);
  assert.equal(await peerOf(t, connector), "127.0.0.3");
});

/** What net.connect is told when it asks. */
function order(addresses: Addresses): Promise<string> {
  const { lookup } = addresses.next();
  return new Promise((resolve) => {
    lookup?.("backend.test", { all: true }, (_error, found) => {
      resolve(Array.isArray(found) ? found.map(({ address }) => address).join(" ") : found);
    });
  });
}

test("addresses of the other family are only a way out", async () => {
  const addresses = new Addresses("backend.test");
  addresses.set(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"], false);
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => order(addresses))), [
    "10.0.0.1 10.0.0.2 fd00::1 fd00::2",
    "10.0.0.2 10.0.0.1 fd00::1 fd00::2",
    "10.0.0.1 10.0.0.2 fd00::1 fd00::2",
  ]);
});

test("TLS asks for the name, whatever address it goes to", limit, async (t) => {
  for (const addresses of [["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]]) {
    const hello = Promise.withResolvers<string>();
    const onSocket = (socket: Socket) =>
      void socket.once("data", (bytes) => hello.resolve(bytes.toString("latin1")));
    const { port } = await startRawBackend(t, onSocket, { host: "127.0.0.2" });
    const connector = new Connector(new URL(`https://backend.test:${port}`), LIMITS);
    connector.setAddresses(addresses);
    onTestEnd(
      t,
      connector.connect(() => undefined),
    );
    const said = await withLimit(hello.promise, 5_000, "its hello");
    assert.ok(said.includes("\0\x0cbackend.test"), "another name");
  }
});

test("an address as host is connected to as it is, whatever is given", () => {
  const addresses = new Addresses("10.0.0.1");
  addresses.set(["10.0.0.1"], true);
  assert.deepEqual(addresses.next(), { host: "10.0.0.1" });
});

test("one that is never told any looks its name up when connecting", limit, async (t) => {
  const port = await startOn(t, ["127.0.0.1"]);
  const connector = new Connector(new URL(`http://localhost:${port}`), LIMITS);
  assert.equal(await peerOf(t, connector), "127.0.0.1");
});

test("a name that can no longer be looked up is connected to where it was last", limit, async (t) => {
  const port = await startOn(t, ["127.0.0.2"]);
  const connector = new Connector(new URL(`http://never.invalid:${port}`), LIMITS);
  await assert.rejects(open(t, connector));
  connector.setAddresses(["127.0.0.2"]);
  connector.setAddresses([]);
  assert.equal(await peerOf(t, connector), "127.0.0.2");
});

// ── addresses that may be old ─────────────────────────────────────────────────────────────────────

test(
  "where no given address takes a connection, those that the name has by now are tried",
  limit,
  async (t) => {
    const port = await startOn(t, ["127.0.0.1"]);
    const connector = new Connector(new URL(`http://localhost:${port}`), LIMITS);
    connector.setAddresses(["127.0.0.2", "127.0.0.3"], true);
    for (let i = 0; i < 3; i++) assert.equal(await peerOf(t, connector), "127.0.0.1");
  },
);

test(
  "addresses that are not old, such as the one of a backend of its own, are all that is tried",
  limit,
  async (t) => {
    const port = await startOn(t, ["127.0.0.1"]);
    const connector = new Connector(new URL(`http://localhost:${port}`), LIMITS);
    connector.setAddresses(["127.0.0.2"]);
    await assert.rejects(open(t, connector), /connect ECONNREFUSED 127\.0\.0\.2/);
  },
);

test("a name that has no others, or cannot be looked up, fails as it did", limit, async (t) => {
  const port = await freePort();
  for (const host of ["localhost", "never.invalid"]) {
    const connector = new Connector(new URL(`http://${host}:${port}`), LIMITS);
    connector.setAddresses(["127.0.0.1", "::1"], true);
    await assert.rejects(open(t, connector), /: connect E[A-Z]+ (127\.0\.0\.1|::1)/);
  }
});

test(
  "one that is given up while the name is looked up calls nothing back and opens nothing",
  limit,
  async (t) => {
    const backend = await startRawBackend(t, (socket) => socket.resume());
    const connector = new Connector(new URL(`http://localhost:${backend.port}`), LIMITS);
    connector.setAddresses(["127.0.0.2"], true);
    let isTold = false;
    const cancel = connector.connect(() => {
      isTold = true;
    });
    const refused = new Connector(new URL(`http://127.0.0.2:${backend.port}`), LIMITS);
    await assert.rejects(open(t, refused)); // so the first one was refused too, just before
    cancel();
    const later = new Connector(new URL(backend.url), LIMITS);
    connector.setAddresses([]);
    await peerOf(t, connector); // looked up after the one that was given up
    await peerOf(t, later);
    assert.deepEqual([isTold, backend.connectionsTotal], [false, 2]);
  },
);

test("an address that was tried is not tried once more", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => void socket.once("data", () => socket.end()));
  const connector = new Connector(new URL(`https://localhost:${backend.port}`), LIMITS);
  connector.setAddresses(["127.0.0.1", "::1"], true);
  await assert.rejects(open(t, connector));
  assert.equal(backend.connectionsTotal, 1);
});
