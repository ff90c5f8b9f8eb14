/** Cases of the promise "limits": what is too slow, and what only looks like it. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { RawClient } from "../../support/raw-client.ts";
import { type Case, get, OK, request } from "../case.ts";
import { drip } from "../pace.ts";
import { LIMITS } from "../profiles.ts";

/** How exact a proxy may be: most look at their timers a few times a second. */
const LATE_MS = 2_000;
const EARLY = 0.8;
const DRIP_MS = 40;

/** The connection ends, with a 408 or without a word, when its time is up and not before. */
async function timesOut(client: RawClient, limitMs: number, sinceMs: number): Promise<void> {
  await client.waitClosed();
  const tookMs = performance.now() - sinceMs;
  assert.ok(tookMs > limitMs * EARLY, `closed after ${Math.round(tookMs)} of ${limitMs} ms`);
  assert.ok(tookMs < limitMs + LATE_MS, `closed only after ${Math.round(tookMs)} of ${limitMs} ms`);
  if (client.unread.length > 0) assert.equal((await client.readResponse()).status, 408);
}

const p = { promise: "limits", profile: "limits" } as const;

export const timeLimits: readonly Case[] = [
  {
    ...p,
    says: "a connection on which nothing ever comes is closed",
    source: "RFC 9112 §9.5",
    needs: "header_timeout",
    run: async ({ open }) => {
      const sinceMs = performance.now();
      await timesOut(await open(), LIMITS.headerTimeoutMs, sinceMs);
    },
  },
  {
    ...p,
    says: "a head that stops half-way is given up",
    source: "RFC 9110 §15.5.9",
    needs: "header_timeout",
    run: async ({ open }) => {
      const sinceMs = performance.now();
      const client = await open();
      await timesOut(client.send("GET / HTTP/1.1\r\nHost: h\r\n"), LIMITS.headerTimeoutMs, sinceMs);
    },
  },
  {
    ...p,
    says: "a head that drips in has no more time than one that stops",
    source: "Slowloris (R. Hansen, 2009); CVE-2018-12122 (Node.js)",
    needs: "header_timeout",
    run: async ({ open }) => {
      const sinceMs = performance.now();
      const client = await open();
      drip(client.send("GET / HTTP/1.1\r\nHost: h\r\nX-A: "), "a", DRIP_MS);
      await timesOut(client, LIMITS.headerTimeoutMs, sinceMs);
    },
  },
  {
    ...p,
    says: "empty lines before a request line do not keep a connection open",
    source: "RFC 9112 §2.2 lets a server skip one",
    needs: "header_timeout",
    run: async ({ open }) => {
      const sinceMs = performance.now();
      const client = await open();
      drip(client, "\r\n", DRIP_MS);
      await client.waitClosed();
      assert.ok(performance.now() - sinceMs < LIMITS.headerTimeoutMs + LATE_MS);
    },
  },
  {
    ...p,
    says: "the second head of a connection has no more time than the first",
    source: "RFC 9112 §9.5",
    needs: "header_timeout",
    run: async ({ exchange }) => {
      const { client } = await exchange(get());
      const sinceMs = performance.now();
      await timesOut(client.send("GET /second HTTP/1.1\r\n"), LIMITS.headerTimeoutMs, sinceMs);
    },
  },
  {
    ...p,
    says: "a head that is late is answered 408 with its code",
    source: "RFC 9110 §15.5.9",
    daemonOnly: true,
    run: async ({ refused }) => {
      const given = await refused("GET / HT", 408);
      assert.equal(JSON.parse(given.text).code, "REQUEST_TIMEOUT");
    },
  },
  {
    ...p,
    says: "an upload that stops is given up, and the backend's request with it",
    source: "RFC 9110 §15.5.9",
    needs: "body_idle_timeout",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 10"], "half "));
      const seen = await backend.request();
      const sinceMs = performance.now();
      await client.waitClosed();
      assert.ok(performance.now() - sinceMs < LIMITS.bodyIdleTimeoutMs + LATE_MS);
      await seen.connection.waitClosed();
      if (client.unread.length > 0) assert.ok((await client.readResponse()).status >= 400);
      assert.equal(seen.isComplete, false);
    },
  },
  {
    ...p,
    says: "an upload that goes on slowly is not idle",
    source: "the time is between two pieces, not for the whole",
    needs: "body_idle_timeout",
    run: async ({ open, backend }) => {
      const pieces = 8;
      const client = await open();
      client.send(request("POST /", [`Content-Length: ${pieces}`]));
      const seen = await backend.request();
      for (let sent = 0; sent < pieces; sent++) {
        await delay(LIMITS.bodyIdleTimeoutMs / 5);
        client.send("b");
        await seen.readBody(1);
      }
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    ...p,
    says: "an answer that does not come is a 504, and the backend's connection is closed",
    source: "RFC 9110 §15.6.5",
    needs: "response_timeout",
    run: async ({ open, backend }) => {
      const client = await open();
      const sinceMs = performance.now();
      client.send(get());
      const seen = await backend.request();
      assert.equal((await client.readResponse()).status, 504);
      const tookMs = performance.now() - sinceMs;
      assert.ok(tookMs > LIMITS.responseTimeoutMs * EARLY, `answered after ${Math.round(tookMs)} ms`);
      await seen.connection.waitClosed();
    },
  },
  {
    ...p,
    says: "an idle connection is closed when its time is up, and not before",
    source: "RFC 9112 §9.3, §9.5",
    needs: "keep_alive_timeout",
    run: async ({ exchange }) => {
      const sinceMs = performance.now();
      const { client } = await exchange(get());
      await timesOut(client, LIMITS.keepAliveTimeoutMs, sinceMs);
    },
  },
  {
    ...p,
    says: "each request gives an idle connection its whole time again",
    source: "RFC 9112 §9.3",
    needs: "keep_alive_timeout",
    run: async ({ exchange }) => {
      const { client } = await exchange(get());
      for (let more = 0; more < 3; more++) {
        await delay(LIMITS.keepAliveTimeoutMs * 0.4);
        assert.equal((await exchange(get(), OK, { client })).answer.text, "ok");
      }
    },
  },
  {
    ...p,
    says: "a connection whose answer still comes is not idle",
    source: "the time is between requests",
    needs: "keep_alive_timeout",
    run: async ({ open, backend }) => {
      const pieces = 12;
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(`HTTP/1.1 200 OK\r\nContent-Length: ${pieces}\r\n\r\n`);
      await client.readHead();
      for (let sent = 0; sent < pieces; sent++) {
        await delay(LIMITS.keepAliveTimeoutMs / 10);
        seen.answer("b");
        await client.readBytes(1);
      }
    },
  },
  {
    promise: "limits",
    says: "an upload below the rate is given up with 408, however steadily it comes",
    source: "R.U.D.Y.; httpd's mod_reqtimeout MinRate",
    profile: "uploads",
    run: async ({ open, backend }) => {
      const client = await open();
      const sinceMs = performance.now();
      client.send(request("POST /", ["Content-Length: 100000"], "b"));
      const seen = await backend.request();
      drip(client, "b", DRIP_MS);
      const given = await client.readResponse();
      assert.ok(performance.now() - sinceMs > LIMITS.minBodyRateGraceMs * EARLY, "within its grace");
      assert.deepEqual([given.status, JSON.parse(given.text).code], [408, "REQUEST_TIMEOUT"]);
      await seen.connection.waitClosed();
      await client.waitClosed();
    },
  },
  {
    promise: "limits",
    says: "an upload just above the rate is left alone",
    source: "httpd's mod_reqtimeout MinRate",
    profile: "uploads",
    run: async ({ open, backend }) => {
      const client = await open();
      const ahead = LIMITS.minBodyRateBytes / 2; // half a second, for a machine that is busy
      const piece = "b".repeat(LIMITS.minBodyRateBytes / 16);
      const length = ahead + 16 * piece.length;
      client.send(request("POST /", [`Content-Length: ${length}`], "b".repeat(ahead)));
      const seen = await backend.request();
      for (let sent = 0; sent < 16; sent++) {
        await delay(DRIP_MS);
        client.send(piece);
      }
      assert.equal((await seen.body()).length, length);
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "limits",
    says: "an upload that the backend holds back is not the client's to be blamed for",
    source: "only the client's own time counts",
    profile: "fast uploads",
    run: async ({ open, backend }) => {
      const client = await open();
      // More than the sockets between us hold, so that most of it has to wait.
      const most = Buffer.alloc(16 * 2 ** 20, "b");
      client.send(request("POST /", [`Content-Length: ${most.length + 1}`]));
      const seen = await backend.request();
      seen.connection.pause();
      client.send(most);
      await delay(1_000);
      seen.connection.resume();
      await seen.readBody(most.length);
      await delay(300); // for the proxy to look at its time limits
      client.send("b");
      await seen.body();
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
];
