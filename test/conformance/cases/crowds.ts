/** Cases of the promise "limits": too many connections, requests in flight, and requests in the queue. */
import assert from "node:assert/strict";
import type { RawClient, RawResponse } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";
import { type Case, get, OK, type Scene } from "../case.ts";
import { readCounter } from "../counters.ts";
import { LIMITS } from "../profiles.ts";
import type { SeenRequest } from "../seen-request.ts";

/** A connection on which a request has been answered: it counts, beyond doubt. */
async function settledClient({ open, exchange }: Scene, localAddress = "127.0.0.1"): Promise<RawClient> {
  const client = await open({ localAddress });
  assert.equal((await exchange(get(), OK, { client })).answer.text, "ok");
  return client;
}

async function settledClients(scene: Scene, count: number, localAddress?: string): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) clients.push(await settledClient(scene, localAddress));
  return clients;
}

/** The connection is refused, whether or not its client asks for anything. */
async function refusedConnection({ open }: Scene, localAddress?: string): Promise<void> {
  const client = await open(localAddress ? { localAddress } : {});
  assertUnavailable(await client.readResponse(), "TOO_MANY_CONNECTIONS");
  await client.waitClosed();
}

function assertUnavailable(given: RawResponse, code: string): void {
  assert.deepEqual([given.status, JSON.parse(given.text).code], [503, code]);
  assert.match(given.header("retry-after") ?? "", /^[1-9]\d*$/);
}

/** The daemon says so; what it has done by itself can be known in no other way. */
async function countIs({ daemon }: Scene, name: string, count: number): Promise<void> {
  await waitUntil(`${name} is ${count}`, async () => (await readCounter(daemon(), name)) === count, {
    limitMs: 2_000,
  });
}

/** Requests that have reached the backend and wait for its answer, each on a connection of its own. */
async function runningRequests({ open, backend }: Scene, count: number): Promise<[RawClient, SeenRequest][]> {
  const running: [RawClient, SeenRequest][] = [];
  while (running.length < count) {
    const client = await open();
    client.send(get(`/running-${running.length}`));
    running.push([client, await backend.request()]);
  }
  return running;
}

/** One request runs on the only connection to the backend; the others wait in the queue, in this order. */
async function queuedRequests(
  scene: Scene,
  count: number,
): Promise<{ first: SeenRequest; queued: RawClient[] }> {
  const { open } = scene;
  const [[, first] = []] = await runningRequests(scene, 1);
  assert.ok(first);
  const queued: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await open();
    client.send(get(`/queued-${i}`));
    queued.push(client);
    await countIs(scene, "upstream_queued_requests", i + 1);
  }
  return { first, queued };
}

const {
  maxConnections,
  maxConnectionsPerClient: perClient,
  maxRequestsPerConnection: perConnection,
} = LIMITS;

const crowd = { promise: "limits", profile: "crowd", source: "the daemon's config" } as const;
const busy = { promise: "limits", profile: "busy", source: "RFC 9110 §15.6.4" } as const;
const queue = { promise: "limits", profile: "queue", source: "RFC 9110 §15.6.4" } as const;

export const crowds: readonly Case[] = [
  {
    ...crowd,
    says: "the answer to the last request of a connection says close, and those before it do not",
    source: "nginx's keepalive_requests; RFC 9112 §9.6",
    run: async ({ open, exchange }) => {
      const client = await open();
      for (let number = 1; number <= perConnection; number++) {
        const { answer } = await exchange(get(), OK, { client });
        const isLast = number === perConnection;
        assert.equal(/close/i.test(answer.headerAll("connection").join()), isLast, `answer ${number}`);
      }
      assert.equal(await client.waitClosed(), "end");
    },
  },
  {
    ...crowd,
    says: "of pipelined requests those past the last of a connection are not forwarded",
    source: "RFC 9112 §9.3.2: a client sends them again",
    run: async ({ open, backend, settled }) => {
      backend.respond();
      const client = await open();
      client.send(Array.from({ length: perConnection + 2 }, (_, i) => get(`/${i}`)).join(""));
      for (let number = 1; number <= perConnection; number++) await client.readResponse();
      await client.waitClosed();
      await settled();
      assert.equal(client.unread.length, 0);
      assert.deepEqual(
        backend.requests.map(({ target }) => target),
        ["/0", "/1", "/2"],
      );
    },
  },
  {
    ...crowd,
    says: "of one client's connections the newest past the limit is refused, and the others go on",
    run: async (scene) => {
      const clients = await settledClients(scene, perClient);
      await refusedConnection(scene);
      for (const client of clients) {
        assert.equal((await scene.exchange(get(), OK, { client })).answer.text, "ok");
      }
    },
  },
  {
    ...crowd,
    says: "a connection that is refused has its answer also when its request was on its way",
    source: "RFC 9112 §9.6: closed with unread bytes, a connection is reset",
    run: async (scene) => {
      await settledClients(scene, perClient);
      const client = await scene.open();
      client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n${"b".repeat(100_000)}`);
      assertUnavailable(await client.readResponse(), "TOO_MANY_CONNECTIONS");
      assert.equal(await client.waitClosed(), "end");
    },
  },
  {
    ...crowd,
    says: "a client that has too many connections is no other client's affair",
    run: async (scene) => {
      await settledClients(scene, perClient);
      await settledClient(scene, "127.0.0.2");
    },
  },
  {
    ...crowd,
    says: "a connection that ends makes room for the client's next",
    run: async (scene) => {
      const [first] = await settledClients(scene, perClient);
      await refusedConnection(scene);
      first?.end();
      await countIs(scene, "client_connections", perClient - 1);
      await settledClient(scene);
    },
  },
  {
    ...crowd,
    says: "of all connections the newest past the limit is refused, and the others go on",
    run: async (scene) => {
      const clients = [
        ...(await settledClients(scene, perClient)),
        ...(await settledClients(scene, maxConnections - perClient, "127.0.0.2")),
      ];
      await refusedConnection(scene, "127.0.0.3");
      for (const client of clients) {
        assert.equal((await scene.exchange(get(), OK, { client })).answer.text, "ok");
      }
    },
  },
  {
    ...crowd,
    says: "a connection that was refused does not count against those that come after it",
    run: async (scene) => {
      const clients = await settledClients(scene, perClient);
      for (let more = 0; more < 5; more++) await refusedConnection(scene);
      for (const client of clients) client.destroy();
      await countIs(scene, "client_connections", 0);
      await settledClients(scene, perClient);
    },
  },
  {
    ...crowd,
    says: "each connection that was refused is counted by its reason",
    run: async (scene) => {
      const proxy = scene.daemon();
      const reasons = ["max_connections_per_client", "max_connections"];
      const read = (): Promise<number[]> =>
        Promise.all(
          reasons.map((reason) => readCounter(proxy, "client_connections_refused_total", { reason })),
        );
      const before = await read();
      await settledClients(scene, perClient);
      await refusedConnection(scene);
      await settledClients(scene, maxConnections - perClient, "127.0.0.2");
      await refusedConnection(scene, "127.0.0.3");
      await refusedConnection(scene, "127.0.0.4");
      const after = await read();
      assert.deepEqual(
        after.map((count, i) => count - (before[i] ?? 0)),
        [1, 2],
      );
    },
  },
  {
    ...busy,
    says: "a request past those in flight is answered 503, and its connection goes on",
    run: async (scene) => {
      const running = await runningRequests(scene, LIMITS.maxInFlight);
      const client = await scene.open();
      assertUnavailable(await client.send(get()).readResponse(), "TOO_MANY_REQUESTS_IN_FLIGHT");
      for (const [other, seen] of running) {
        seen.answer(OK);
        assert.equal((await other.readResponse()).text, "ok");
      }
      assert.equal((await scene.exchange(get(), OK, { client })).answer.text, "ok");
    },
  },
  {
    ...busy,
    says: "a client that leaves makes room for another's request",
    run: async (scene) => {
      const [[leaving, seen] = []] = await runningRequests(scene, LIMITS.maxInFlight);
      leaving?.reset();
      await seen?.connection.waitClosed();
      await scene.exchange(get());
    },
  },
  {
    ...busy,
    says: "a request that was refused for those in flight is counted by that reason",
    run: async (scene) => {
      const labels = { reason: "too_many_requests_in_flight" };
      const before = await readCounter(scene.daemon(), "http_refusals_total", labels);
      await runningRequests(scene, LIMITS.maxInFlight);
      for (let more = 0; more < 3; more++) {
        assert.equal((await (await scene.open()).send(get()).readResponse()).status, 503);
      }
      assert.equal((await readCounter(scene.daemon(), "http_refusals_total", labels)) - before, 3);
    },
  },
  {
    ...queue,
    says: "the queue is served in its order",
    run: async (scene) => {
      const { first, queued } = await queuedRequests(scene, LIMITS.maxQueue);
      first.answer(OK);
      for (const [i, client] of queued.entries()) {
        const seen = await scene.backend.request();
        assert.equal(seen.target, `/queued-${i}`);
        seen.answer(OK);
        assert.equal((await client.readResponse()).text, "ok");
      }
    },
  },
  {
    ...queue,
    says: "a request past the queue is answered 503 at once, and those in it go on",
    run: async (scene) => {
      const reason = { reason: "pool_exhausted" };
      const before = await readCounter(scene.daemon(), "http_refusals_total", reason);
      const { first, queued } = await queuedRequests(scene, LIMITS.maxQueue);
      const client = await scene.open();
      const given = await client.send(get("/past-it")).readResponse();
      assertUnavailable(given, "POOL_EXHAUSTED");
      assert.deepEqual(
        queued.map(({ unread }) => unread.length),
        [0, 0],
      );
      assert.equal((await readCounter(scene.daemon(), "http_refusals_total", reason)) - before, 1);
      scene.backend.respond();
      first.answer(OK);
      for (const each of [...queued, client.send(get("/again"))]) {
        assert.equal((await each.readResponse()).text, "ok");
      }
    },
  },
  {
    ...queue,
    says: "a request that waits too long in the queue is answered 503, and never reaches the backend",
    run: async (scene) => {
      const sinceMs = performance.now();
      const { first, queued } = await queuedRequests(scene, 1);
      const [client] = queued;
      assert.ok(client);
      assertUnavailable(await client.readResponse(), "POOL_EXHAUSTED");
      const tookMs = performance.now() - sinceMs;
      assert.ok(tookMs > LIMITS.queueTimeoutMs * 0.8, `after ${Math.round(tookMs)} ms`);
      first.answer(OK);
      await scene.settled();
      assert.equal(scene.backend.requestsSeen, 1);
    },
  },
  {
    ...queue,
    says: "a client that leaves the queue makes room in it, and its request never reaches the backend",
    run: async (scene) => {
      const { first, queued } = await queuedRequests(scene, LIMITS.maxQueue);
      queued[0]?.reset();
      await countIs(scene, "upstream_queued_requests", LIMITS.maxQueue - 1);
      const client = await scene.open();
      client.send(get("/next"));
      first.answer(OK);
      for (const target of ["/queued-1", "/next"]) {
        const seen = await scene.backend.request();
        assert.equal(seen.target, target);
        seen.answer(OK);
      }
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
];
