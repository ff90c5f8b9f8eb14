import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { startRawBackend } from "../../support/backend.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw, RawClient } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const CYCLES = 1_000;
/** At a time. */
const CLIENTS = 20;
const LIMIT_MS = 5_000;

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";
const REFUSED = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";

/** Both ends of one upgrade: `far` is the backend's. */
interface Ends {
  readonly client: RawClient;
  readonly far: RawClient;
}

async function open({ client, far }: Ends): Promise<void> {
  far.send(`${SWITCHING}hello`);
  await client.readUntil("hello");
}

/** Every way in which an upgrade can end: before it began, while it runs, and with bytes on their way. */
const WAYS: readonly ((ends: Ends) => Promise<unknown>)[] = [
  async (ends) => {
    await open(ends);
    ends.client.end();
  },
  async (ends) => {
    await open(ends);
    ends.client.reset();
  },
  async (ends) => {
    await open(ends);
    ends.far.end();
    await ends.client.waitClosed();
    ends.client.end();
  },
  async (ends) => {
    await open(ends);
    ends.far.reset();
    await ends.client.waitClosed();
  },
  async (ends) => {
    await open(ends);
    ends.client.pause();
    ends.far.send(Buffer.alloc(256 * 1024));
    ends.client.reset();
  },
  async ({ client, far }) => {
    far.send(REFUSED);
    assert.equal((await client.readResponse()).text, "no");
  },
  async ({ client, far }) => {
    far.end();
    assert.equal((await client.readResponse()).status, 502);
  },
  async ({ client }) => client.reset(),
];

async function upgradedConnections(proxy: TestProxy): Promise<number> {
  const { body } = await proxy.admin("GET", "/metrics");
  return Number(/upgraded_connections\{version="v1"\} (\d+)/.exec(body)?.[1]);
}

test("1,000 upgrades, ended in every way, leave no descriptor and no connection behind", {
  timeout: 60_000,
}, async (t) => {
  const arrivals = new Map<string, (far: RawClient) => void>();
  const backend = await startRawBackend(
    t,
    (socket) => {
      const far = new RawClient(socket);
      const arrived = far.readUntil("\r\n\r\n").then((head) => {
        arrivals.get(/X-Number: (\d+)/.exec(head)?.[1] ?? "")?.(far);
      });
      arrived.catch(() => {}); // it has ended without a request
    },
    { allowHalfOpen: true },
  );
  const config = { upstream: { max_idle_connections: 0 } }; // so that every connection is one of an upgrade
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, config });
  const [worker = 0] = await proxy.workerPids();
  const descriptors = (): number => readdirSync(`/proc/${worker}/fd`).length;

  let begun = 0;
  /** One upgrade from its handshake until the backend's side of it is gone. */
  const cycle = async (): Promise<void> => {
    const number = String(begun++);
    const way = WAYS[Number(number) % WAYS.length];
    const client = await openRaw(proxy.port);
    const { promise, resolve } = Promise.withResolvers<RawClient>();
    arrivals.set(number, resolve);
    const fields = ["Host: h", "Connection: Upgrade", "Upgrade: foo", `X-Number: ${number}`];
    client.send(`GET / HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
    const far = await withLimit(promise, LIMIT_MS, "the handshake at the backend");
    await way?.({ client, far });
    await far.waitClosed();
    far.end();
    client.destroy();
  };
  const run = async (): Promise<void> => {
    while (begun < CYCLES) await cycle();
  };

  await upgradedConnections(proxy); // what asking for metrics opens is open
  const before = descriptors();
  await Promise.all(Array.from({ length: CLIENTS }, run));
  const isAtRest = async (): Promise<boolean> =>
    backend.connections === 0 && (await upgradedConnections(proxy)) === 0 && descriptors() <= before;
  await waitUntil("nothing of the upgrades is left", isAtRest, {
    details: () => `${backend.connections} connections, ${descriptors()} descriptors, ${before} before`,
  });
  assert.equal(arrivals.size, CYCLES);
});
