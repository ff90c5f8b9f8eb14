/** Cases of the promise "leaving": what is sent to a backend once more, and what never is. */
import assert from "node:assert/strict";
import type { RawClient } from "../../../support/raw-client.ts";
import { answer, type Case, get, OK, request, type Scene } from "../../case.ts";
import { readCounter } from "../../counters.ts";
import type { SeenRequest } from "../../seen-request.ts";

/** More than the budget can ever have saved up, and what is spent meanwhile, so that it is empty. */
const DRAINING_REQUESTS = 130;
const REQUESTS = 100;
/** upstream.retry_budget: 0.2 */
const BUDGETED_RETRIES = 20;

interface Race {
  readonly client: RawClient;
  readonly seen: SeenRequest;
  /** Not every proxy uses its connection again. */
  readonly isReused: boolean;
}

/** Sends a request that arrives on a connection that was used before, where the race can be. */
async function onReusedConnection({ exchange, backend }: Scene, bytes: string): Promise<Race> {
  const first = await exchange(get("/first"));
  first.client.send(bytes);
  const seen = await backend.request();
  return { client: first.client, seen, isReused: seen.connection === first.seen.connection };
}

/** The request failed, and its client knows: an error, or a connection that closes without an answer. */
async function assertFailed({ client }: Race): Promise<void> {
  const before = client.bytesReceived - client.unread.length;
  const given = await client.readResponse().catch((error: unknown) => {
    if (client.ending === undefined || client.bytesReceived > before) throw error;
  });
  if (given) assert.ok([502, 503, 504].includes(given.status), `${given.status}`);
}

async function retriesTotal(scene: Scene): Promise<number> {
  return await readCounter(scene.daemon(), "upstream_retries_total");
}

/** Sends that many requests to a backend that nobody listens at. @returns by how many the retries have grown. */
async function retriesOf(scene: Scene, requests: number): Promise<number> {
  const before = await retriesTotal(scene);
  const client = await scene.open();
  client.send(get().repeat(requests));
  for (let i = 0; i < requests; i++) assert.equal((await client.readResponse()).status, 502);
  return (await retriesTotal(scene)) - before;
}

const RETRIED: readonly (readonly [line: string, way: "FIN" | "RST"])[] = [
  ["GET /", "FIN"],
  ["GET /", "RST"],
  ["HEAD /", "FIN"],
  ["OPTIONS /", "FIN"],
];

const LENGTH = "Content-Length: 5";
/** The RFC would allow some of these to be sent again; we do not guess. */
const NEVER_OURS: readonly (readonly [what: string, bytes: string])[] = [
  ["PUT with a body", request("PUT /", [LENGTH], "hello")],
  ["DELETE without a body", request("DELETE /")],
  ["GET with a body", request("GET /", [LENGTH], "hello")],
  ["a method that nobody knows", request("FROBNICATE /")],
];

export const retries: readonly Case[] = [
  {
    promise: "leaving",
    says: "GET that meets the backend's closing of a reused connection is sent again, or its client may send it again",
    source: "RFC 9112 §9.3.1: nginx, Go retry; HAProxy closes without an answer",
    run: async (scene) => {
      const race = await onReusedConnection(scene, get());
      const { client, seen } = race;
      const received = client.bytesReceived;
      seen.connection.end();
      const isAnswered = (): string | undefined =>
        client.bytesReceived > received ? "answered" : client.ending && "closed";
      const again = await scene.backend.requestUnless(isAnswered).catch((error: unknown) => {
        if (client.bytesReceived > received ? race.isReused : client.ending === undefined) throw error;
      });
      if (!again) return;
      again.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  ...RETRIED.map(
    ([line, way]): Case => ({
      promise: "leaving",
      says: `${line.split(" ")[0]} on a reused connection that the backend closes just then (${way}) is sent again`,
      source: "this daemon's own promise: safe methods without a body",
      daemonOnly: true,
      run: async (scene) => {
        const { client, seen, isReused } = await onReusedConnection(scene, request(line, ["X-Own: 1"]));
        assert.ok(isReused);
        if (way === "FIN") seen.connection.end();
        else seen.connection.reset();
        const again = await scene.backend.request();
        assert.ok(again.connection !== seen.connection);
        const fields = [...seen.fields, ["X-Attempt-Count", "2"]];
        assert.deepEqual([again.requestLine, again.fields], [seen.requestLine, fields]);
        again.answer(answer("200 OK", ["X-Own: 2"]));
        const given = await client.readResponse({ method: seen.method });
        assert.deepEqual([given.status, given.header("x-own")], [200, "2"]);
      },
    }),
  ),
  {
    promise: "leaving",
    says: "POST on a connection that the backend closes just then is not sent again",
    source: "RFC 9110 §9.2.2: a proxy must not retry what is not idempotent",
    run: async (scene) => {
      const bodies = [request("POST /", [LENGTH], "hello"), request("POST /", ["Content-Length: 0"])];
      for (const bytes of bodies) {
        const race = await onReusedConnection(scene, bytes);
        await race.seen.body();
        race.seen.connection.end();
        await assertFailed(race);
        await scene.settled(); // and no request that the case did not expect
      }
    },
  },
  ...NEVER_OURS.map(
    ([what, bytes]): Case => ({
      promise: "leaving",
      says: `${what} on a reused connection that the backend closes just then is not sent again`,
      source: "this daemon's own promise: only safe methods without a body",
      daemonOnly: true,
      run: async (scene) => {
        const { client, seen, isReused } = await onReusedConnection(scene, bytes);
        assert.ok(isReused);
        await seen.body();
        seen.connection.end();
        assert.equal((await client.readResponse()).status, 502);
        await scene.settled();
      },
    }),
  ),
  ...(["HTTP/1.1 20", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"] as const).map(
    (bytes): Case => ({
      promise: "leaving",
      says: `GET on a reused connection that breaks after ${bytes.length > 11 ? "an interim" : "the start of an"} answer is not sent again`,
      source: "this daemon's own promise: the first byte shows that it was processed",
      daemonOnly: true,
      run: async (scene) => {
        const { client, seen, isReused } = await onReusedConnection(scene, get());
        assert.ok(isReused);
        seen.connection.send(bytes);
        seen.connection.end();
        assert.equal((await client.readResponse()).status, 502);
        await scene.settled();
      },
    }),
  ),
  {
    promise: "leaving",
    says: "a backend that closes every connection gets no endless retries",
    source: "nginx's proxy_next_upstream_tries; retry storms",
    run: async (scene) => {
      const race = await onReusedConnection(scene, get());
      scene.backend.respond(({ connection }) => void connection.end());
      race.seen.connection.end();
      await assertFailed(race);
      assert.ok(scene.backend.requestsSeen <= 5, `${scene.backend.requestsSeen} requests`);
    },
  },
  {
    promise: "leaving",
    says: "a connection that the backend has closed while it was idle is not used: POST goes over a new one",
    source: "RFC 9112 §9.6: both sides watch for the other's close",
    run: async ({ exchange, backend }) => {
      const first = await exchange(get("/first"));
      first.seen.connection.end();
      const isClosed = (): boolean => first.seen.connection.socket.destroyed;
      first.seen.connection.socket.once("close", () => backend.changed.notify());
      await backend.until("the proxy to close its side", isClosed);
      const second = await exchange(request("POST /", [LENGTH], "hello"), OK, { client: first.client });
      assert.equal(second.answer.text, "ok");
    },
  },
  {
    promise: "leaving",
    says: "a connection that cannot be opened is tried once more, whatever the method",
    source: "this daemon's own promise: nothing was sent yet",
    daemonOnly: true,
    run: async (scene) => {
      await scene.backend.stopListening();
      const requests = [
        get(),
        request("POST /", [LENGTH], "hello"),
        request("DELETE /"),
        request("FROBNICATE /"),
      ];
      for (const bytes of requests) {
        const before = await retriesTotal(scene);
        assert.equal((await (await scene.open()).send(bytes).readResponse()).status, 502);
        assert.equal((await retriesTotal(scene)) - before, 1, bytes);
      }
    },
  },
  {
    promise: "leaving",
    says: "when every request fails, one in five is retried and no more",
    source: "this daemon's own promise: upstream.retry_budget",
    profile: "narrow", // a daemon whose budget no other case needs
    daemonOnly: true,
    run: async (scene) => {
      await scene.backend.stopListening();
      await retriesOf(scene, DRAINING_REQUESTS);
      const retried = await retriesOf(scene, REQUESTS);
      assert.ok(Math.abs(retried - BUDGETED_RETRIES) <= 1, `${retried} of ${REQUESTS} were retried`);
    },
  },
];
