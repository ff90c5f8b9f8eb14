/** Open transport: the connections that a server takes in, on their handles or as sockets, are the same to the kernel. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test as testOnce } from "node:test";
import { type Engine, takeConnections } from "../../../../src/data-plane/sockets/open-transport.ts";
import type { Transport } from "../../../../src/data-plane/sockets/transport.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { tcpTable } from "../../../support/tcp-table.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";

const limit = { timeout: 30_000 };
const onLinux = { ...limit, skip: process.platform !== "linux" };

interface Taking {
  readonly transports: Transport[];
  readonly isOnHandles: boolean;
  readonly port: number;
  /** Connects, and resolves with both ends. */
  open(): Promise<{ transport: Transport; peer: Socket }>;
}

async function startTaking(t: TestContext, engine: Engine): Promise<Taking> {
  const transports: Transport[] = [];
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const isOnHandles = takeConnections(server, engine, (transport) => transports.push(transport));
  onTestEnd(t, () => {
    for (const transport of transports) transport.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = async () => {
    const count = transports.length;
    const peer = connect({ port, host: "127.0.0.1", noDelay: true });
    onTestEnd(t, () => peer.destroy());
    await once(peer, "connect");
    await waitUntil("it is taken in", () => transports.length > count);
    return { transport: transports[count] as Transport, peer };
  };
  return { transports, isOnHandles, port, open };
}

test("every connection that comes is told, with its bytes and its end", limit, async (t) => {
  const taking = await startTaking(t, engineOf(t));
  assert.equal(taking.isOnHandles, engineOf(t) === "auto" && process.platform === "linux");
  for (let i = 0; i < 3; i++) {
    const { transport, peer } = await taking.open();
    assert.equal(transport.remoteAddress, "127.0.0.1");
    const user = new ToldByTransport(transport);
    peer.end(`hello ${i}`);
    await user.seen("fin");
    assert.equal(user.text, `hello ${i}`);
  }
  assert.equal(taking.transports.length, 3);
});

test("the kernel probes a silent client after a minute", onLinux, async (t) => {
  const taking = await startTaking(t, engineOf(t));
  const { peer } = await taking.open();
  const isOurs = ({ localPort, remotePort }: { localPort: number; remotePort: number }): boolean =>
    localPort === taking.port && remotePort === peer.localPort;
  const entry = tcpTable().find(isOurs);
  assert.equal(entry?.timer, "keep-alive");
  assert.ok(entry.timerMs > 50_000 && entry.timerMs <= 60_000, `${entry.timerMs} ms`);
});

test("small writes leave at once, although the one before was not acknowledged", onLinux, async (t) => {
  const taking = await startTaking(t, engineOf(t));
  const { transport, peer } = await taking.open();
  const came: number[] = [];
  peer.on("data", (bytes) => {
    for (const _ of bytes) came.push(performance.now());
  });
  // Both speak in turn, so that the client's kernel holds its acknowledgement back for something to send with it.
  const user = new ToldByTransport(transport);
  let shortestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 20; round++) {
    peer.write("x");
    await user.received(round + 1);
    came.length = 0;
    transport.writeText("a");
    transport.writeText("b");
    await waitUntil("both have come", () => came.length === 2);
    const apartMs = (came[1] ?? 0) - (came[0] ?? 0);
    if (round >= 10) shortestMs = Math.min(shortestMs, apartMs); // at first it acknowledges at once
  }
  assert.ok(shortestMs < 20, `the second came ${shortestMs} ms later at best`); // else 40 ms
});

testOnce("a server that listens on a path is taken by the documented way", limit, async (t) => {
  const path = join(await tempDir(t), "a.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  onTestEnd(t, () => server.close());
  const transports: Transport[] = [];
  assert.equal(
    takeConnections(server, "auto", (transport) => transports.push(transport)),
    false,
  );
  const peer = connect(path).on("error", () => undefined);
  onTestEnd(t, () => peer.destroy());
  const transport = await waitUntil("it is taken in", () => transports[0]);
  onTestEnd(t, () => transport.destroy());
  const user = new ToldByTransport(transport);
  peer.write("hello");
  await user.received(5);
});
