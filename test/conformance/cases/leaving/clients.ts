/** Cases of the promise "leaving": a client that leaves ends its request at the backend, and nobody else's. */
import assert from "node:assert/strict";
import { onTestEnd, type TestEnd } from "../../../support/cleanup.ts";
import type { RawClient } from "../../../support/raw-client.ts";
import { startStuckBackend } from "../../../support/stuck-backend.ts";
import { connectionsBeingOpened } from "../../../support/tcp-table.ts";
import { waitUntil } from "../../../support/wait.ts";
import { answer, type Case, get, OK, request, type Scene } from "../../case.ts";
import { readCounter } from "../../counters.ts";
import { fill } from "../../flood.ts";
import { handshake } from "../../handshake.ts";
import { promptly } from "../../promptly.ts";
import type { SeenRequest } from "../../seen-request.ts";

const WAYS = ["FIN", "RST"] as const;
type Way = (typeof WAYS)[number];

function leave(client: RawClient, way: Way): void {
  if (way === "RST") client.reset();
  else client.destroy(); // nothing is unread at any stage below, or the kernel would send a RST
}

/** How far a request is when its client leaves. */
interface Stage {
  readonly what: string;
  /** Brings it there. */
  begin(scene: Scene, client: RawClient): Promise<SeenRequest>;
}

const sent = (bytes: string) => async (scene: Scene, client: RawClient) => {
  client.send(bytes);
  return await scene.backend.request();
};

const STAGES: readonly Stage[] = [
  { what: "waits for an answer", begin: sent(get("/waiting")) },
  {
    what: "waits for an answer to a whole upload",
    begin: async (scene, client) => {
      const seen = await sent(request("POST /waiting", ["Content-Length: 5"], "hello"))(scene, client);
      await seen.body();
      return seen;
    },
  },
  {
    what: "waits for 100 Continue",
    begin: sent(request("PUT /", ["Content-Length: 5", "Expect: 100-continue"])),
  },
  { what: "waits for the 101", begin: sent(handshake("/waiting")) },
  {
    what: "reads an answer that has paused",
    begin: async (scene, client) => {
      const seen = await sent(get("/streaming"))(scene, client);
      seen.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npiece\r\n");
      await client.readUntil("piece\r\n");
      return seen;
    },
  },
  ...["Content-Length: 100", "Transfer-Encoding: chunked"].map(
    (framing): Stage => ({
      what: `uploads (${framing})`,
      begin: async (scene, client) => {
        const piece = "10\r\nsixteen bytes...\r\n";
        const seen = await sent(request("PUT /upload", [framing], piece))(scene, client);
        await seen.readBody("sixteen bytes...".length);
        return seen;
      },
    }),
  ),
];

async function queuedRequests(scene: Scene): Promise<number> {
  return await readCounter(scene.daemon(), "upstream_queued_requests", { version: "v1" });
}

const HELD: readonly Case[] = [
  {
    promise: "leaving",
    says: "a client that leaves (RST) while it does not read a long answer ends it at the backend at once",
    source: "a proxy that waits for room to write must still notice",
    run: async (scene) => {
      const client = await scene.open();
      client.send(get("/long"));
      const seen = await scene.backend.request();
      client.pause();
      seen.answer(answer("200 OK", ["Content-Length: 1000000000"]));
      await fill(scene, seen.connection);
      client.reset();
      await promptly("the backend's request to end", seen.connection.closed, scene);
    },
  },
  {
    promise: "leaving",
    says: "a client that leaves (RST) while the backend does not read its long upload ends it once that one reads again",
    source: "nobody notices sooner: nginx, HAProxy, Caddy and Go all wait for room",
    run: async (scene) => {
      const client = await scene.open();
      client.send(request("PUT /long", ["Content-Length: 1000000000"]));
      const seen = await scene.backend.request();
      seen.connection.pause();
      await fill(scene, client);
      client.reset();
      seen.connection.resume();
      await promptly("the backend's request to end", seen.connection.closed, scene);
      assert.ok(!seen.isComplete);
    },
  },
];

const QUEUED = WAYS.map(
  (way): Case => ({
    promise: "leaving",
    says: `a client that leaves (${way}) while it waits for a connection leaves the queue, and is never forwarded`,
    source: "this daemon's own promise: upstream.max_queue counts who still waits",
    profile: "narrow",
    daemonOnly: true,
    run: async (scene) => {
      const holder = await scene.open();
      holder.send(get("/held"));
      const held = await scene.backend.request();
      const [leaving, staying] = [await scene.open(), await scene.open()];
      const queueHas = (count: number) => async () => (await queuedRequests(scene)) === count;
      leaving.send(get("/gone"));
      await waitUntil("the first is queued", queueHas(1));
      staying.send(get("/next"));
      await waitUntil("the second is queued", queueHas(2));
      leave(leaving, way);
      await promptly("the first to leave the queue", waitUntil("it has left", queueHas(1)));
      held.answer(OK);
      assert.equal((await holder.readResponse()).text, "ok");
      const next = await scene.backend.request();
      assert.equal(next.target, "/next");
      next.answer(answer("200 OK", [], "next"));
      assert.equal((await staying.readResponse()).text, "next");
    },
  }),
);

export const clientsThatLeave: readonly Case[] = [
  ...STAGES.flatMap(({ what, begin }) =>
    WAYS.map(
      (way): Case => ({
        promise: "leaving",
        says: `a client that leaves (${way}) while it ${what} ends its request at the backend at once`,
        source: "RFC 9112 §9.5; nginx's proxy_ignore_client_abort off, HAProxy's abortonclose",
        run: async (scene) => {
          const client = await scene.open();
          const seen = await begin(scene, client);
          leave(client, way);
          await promptly("the backend's request to end", seen.connection.closed, scene);
          if (what.startsWith("uploads")) assert.ok(!seen.isComplete, "it must not look like all of it");
        },
      }),
    ),
  ),
  ...HELD,
  ...QUEUED,
  {
    promise: "leaving",
    says: "a client that leaves (FIN or RST) while the connection is being opened is never forwarded",
    source: "what was not sent yet must not be sent",
    limitMs: 10_000,
    run: async (scene) => {
      const ends: (() => Promise<void>)[] = [];
      const t: TestEnd = { after: (end) => ends.push(end) };
      onTestEnd(t, () => undefined);
      const { port } = scene.backend;
      await scene.backend.stopListening();
      try {
        const stuck = await startStuckBackend(t, port);
        for (const way of WAYS) {
          const client = await scene.open();
          const before = connectionsBeingOpened(port);
          client.send(get(`/gone-${way}`));
          await waitUntil("the connection is being opened", () => connectionsBeingOpened(port) > before);
          leave(client, way);
        }
        stuck.goOn();
        await waitUntil("none is being opened any more", () => connectionsBeingOpened(port) === 0);
        const next = await scene.open();
        next.send(get("/next"));
        assert.equal((await next.readResponse()).text, "stuck");
        await waitUntil("the next is seen", () => stuck.received().includes("GET /next"));
        assert.doesNotMatch(stuck.received(), /gone/);
      } finally {
        for (const end of ends) await end();
      }
    },
  },
  {
    promise: "leaving",
    says: "of pipelined requests all end when their client leaves, and none begins",
    source: "RFC 9112 §9.3.2",
    run: async (scene) => {
      const { open, backend, settled } = scene;
      backend.respond(() => undefined); // never
      const client = await open();
      client.send(get("/1") + get("/2") + get("/3"));
      await backend.until("the first", () => backend.requestsSeen >= 1);
      client.reset();
      const isOver = (): boolean =>
        backend.requests.every(({ connection }) => connection.ending !== undefined);
      await promptly("every request at the backend to end", backend.until("their end", isOver), scene);
      const seen = backend.requestsSeen;
      await settled();
      assert.equal(backend.requestsSeen, seen);
    },
  },
  {
    promise: "leaving",
    says: "an answer that comes after its client has left reaches nobody else",
    source: "RFC 9112 §9.2: only their order tells whose an answer is",
    run: async ({ open, backend, exchange }) => {
      for (let i = 0; i < 5; i++) {
        const client = await open();
        client.send(get("/gone"));
        const seen = await backend.request();
        client.destroy();
        seen.answer(answer("200 OK", [], "for the one who left"));
        const { answer: given } = await exchange(get("/mine"), answer("200 OK", [], "mine"));
        assert.equal(given.text, "mine");
      }
    },
  },
  {
    promise: "leaving",
    says: "what was answered before all of it was sent leaves its connection to nobody, when its client leaves",
    source: "nginx-tests proxy_request_buffering_keepalive.t: the next request became the rest of a body",
    run: async ({ open, backend, exchange, settled }) => {
      const client = await open();
      client.send(request("POST /half", ["Content-Length: 100"], "half"));
      const seen = await backend.request();
      await seen.readBody(4);
      seen.answer(answer("200 OK", [], "enough"));
      await settled(); // it has been read; whether it was passed on already is another case's question
      client.destroy();
      const next = await exchange(get("/next"));
      assert.equal(next.answer.text, "ok");
      assert.ok(next.seen.connection !== seen.connection);
      assert.ok(!seen.isComplete);
    },
  },
  {
    promise: "leaving",
    says: "a head that breaks off in the middle is no request",
    source: "RFC 9112 §8: an incomplete request is not handled",
    run: async ({ open, settled }) => {
      for (const way of WAYS) {
        const client = await open();
        client.send("GET /half HTTP/1.1\r\nHost: h\r\nX-");
        await settled();
        leave(client, way);
      }
      await settled(); // and the backend saw no other request
    },
  },
];
