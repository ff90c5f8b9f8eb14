/** Cases of the promise "streaming": bodies that are long, slow or endless, both ways. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { answer, type Case, get, OK, request } from "../case.ts";
import { FLOOD_BYTES, fill, floodWhileNobodyReads } from "../flood.ts";
import { LIMITS } from "../profiles.ts";
import { promptly } from "../promptly.ts";

const FLOOD_LIMIT_MS = 15_000;
/** A packet for each byte, and a turn of the event loop. */
const BYTE_BY_BYTE_LIMIT_MS = 10_000;
const STREAMS = 20;
const EVENTS = 5;
const IDLE_MS = LIMITS.upstreamBodyIdleTimeoutMs;

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const LAST_CHUNK = "0\r\n\r\n";

interface Framing {
  readonly what: string;
  /** Lines of the head, without their CRLF. */
  readonly fields: readonly string[];
  frame(piece: string): string;
}
const CHUNKED: Framing = { what: "in chunks", fields: ["Transfer-Encoding: chunked"], frame: chunk };
const PLAIN: Omit<Framing, "what"> = { fields: [], frame: (piece) => piece };
const EVENT_BYTES = "data: 0\n\n".length;
const OF_LENGTH = { ...PLAIN, fields: [`Content-Length: ${EVENTS * EVENT_BYTES}`], what: "of a length" };
const TO_THE_END = { ...PLAIN, what: "up to the end of the connection" };

const head = ({ fields }: Framing, ...more: readonly string[]): string =>
  ["HTTP/1.1 200 OK", ...fields, ...more, "", ""].join("\r\n");

/** Cut where it hurts: single bytes, primes, and more than any buffer. */
function inChunks(body: Buffer): Buffer {
  const sizes = [1, 2, 3, 1021, 16_384, 65_537, 200_003];
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < body.length; i++) {
    const piece = body.subarray(at, at + (sizes[i % sizes.length] ?? 1));
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
    at += piece.length;
  }
  return Buffer.concat([...pieces, Buffer.from(LAST_CHUNK)]);
}

export const streaming: readonly Case[] = [
  ...[CHUNKED, OF_LENGTH, TO_THE_END].flatMap((framing) =>
    (["1.1", "1.0"] as const).map(
      (version): Case => ({
        promise: "streaming",
        says: `events ${framing.what} reach an HTTP/${version} client one by one, the head before the first`,
        source: "WHATWG HTML §9.2, server-sent events; nginx's proxy_buffering off",
        run: async (scene) => {
          const { open, backend } = scene;
          const client = await open();
          client.send(`GET /events HTTP/${version}\r\nHost: h\r\n\r\n`);
          const seen = await backend.request();
          seen.answer(head(framing, "Content-Type: text/event-stream"));
          const given = await promptly("the head", client.readHead(), scene);
          const isChunked = given.header("transfer-encoding") === "chunked";
          for (let i = 0; i < EVENTS; i++) {
            seen.answer(framing.frame(`data: ${i}\n\n`));
            await promptly("the next piece", client.readUntil(`data: ${i}\n\n`), scene);
          }
          if (framing === CHUNKED) seen.answer(LAST_CHUNK);
          if (framing === TO_THE_END) seen.connection.end();
          if (isChunked) await client.readUntil(`\r\n${LAST_CHUNK}`);
          else if (version === "1.0" || framing !== OF_LENGTH) assert.equal(await client.waitClosed(), "end");
        },
      }),
    ),
  ),
  {
    promise: "streaming",
    says: "the head of an answer of a length reaches the client, though its body is slow to start",
    source: "progress bars, HEAD-like uses of GET; nginx, HAProxy",
    run: async (scene) => {
      const { open, backend } = scene;
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(answer("200 OK", ["Content-Type: text/plain", "Content-Length: 4"]));
      assert.equal((await promptly("the head", client.readHead(), scene)).header("content-length"), "4");
      seen.answer("slow");
      await promptly("the next piece", client.readUntil("slow"), scene);
    },
  },
  {
    promise: "streaming",
    says: "a head and chunks that come byte by byte reach the client whole",
    limitMs: BYTE_BY_BYTE_LIMIT_MS,
    source: "RFC 9112 §2.2; http-garden",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      const bytes = `${head(CHUNKED)}5;a=1\r\nhello\r\n1\r\n!\r\n${LAST_CHUNK}`;
      for (const byte of bytes) {
        seen.answer(byte);
        await new Promise(setImmediate); // a packet each
      }
      const given = await client.readResponse();
      assert.equal(given.text, "hello!");
    },
  },
  {
    promise: "streaming",
    says: `${STREAMS} streams at a time do not mix, and hold nobody else up`,
    source: "http-garden; every proxy that shares a buffer",
    run: async ({ open, backend, settled }) => {
      const streams = [];
      for (let i = 0; i < STREAMS; i++) {
        const client = await open();
        client.send(get(`/stream/${i}`));
        const seen = await backend.request();
        seen.answer(head(CHUNKED));
        await client.readHead();
        streams.push({ client, seen });
      }
      for (const { seen } of streams.toReversed()) seen.answer(chunk(`for ${seen.target};`));
      await settled();
      for (const [i, { client }] of streams.entries()) {
        assert.match(await client.readUntil(";"), new RegExp(`for /stream/${i};$`));
      }
    },
  },
  ...[CHUNKED, OF_LENGTH].map(
    (framing): Case => ({
      promise: "streaming",
      says: `an upload ${framing.what} reaches the backend piece by piece, its head before the first`,
      source: "nginx's proxy_request_buffering off",
      run: async (scene) => {
        const { open, backend } = scene;
        const client = await open();
        client.send(request("POST /upload", framing.fields));
        const seen = await promptly("the head", backend.request(), scene);
        for (let i = 0; i < EVENTS; i++) {
          const piece = `data: ${i}\n\n`;
          client.send(framing.frame(piece));
          assert.equal(
            (await promptly("the next piece", seen.readBody(EVENT_BYTES), scene)).toString(),
            piece,
          );
        }
        if (framing === CHUNKED) client.send(LAST_CHUNK);
        assert.equal((await seen.body()).toString(), "");
        seen.answer(OK);
        assert.equal((await client.readResponse()).text, "ok");
      },
    }),
  ),
  {
    promise: "streaming",
    says: "an upload in chunks that comes byte by byte reaches the backend whole",
    limitMs: BYTE_BY_BYTE_LIMIT_MS,
    source: "RFC 9112 §2.2; slow writers",
    run: async ({ open, backend }) => {
      const client = await open();
      const bytes = request("POST /", CHUNKED.fields, `5;a=1\r\nhello\r\n1\r\n!\r\n${LAST_CHUNK}`);
      for (const byte of bytes) {
        client.send(byte);
        await new Promise(setImmediate);
      }
      const seen = await backend.request();
      assert.equal((await seen.body()).toString(), "hello!");
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "streaming",
    says: "an answer that starts while the upload runs streams beside it, word by word",
    source: "RFC 9112 §9.3: no rule that an answer waits; nginx, HAProxy",
    run: async (scene) => {
      const { open, backend, exchange } = scene;
      const client = await open();
      client.send(request("POST /talk", CHUNKED.fields));
      const seen = await backend.request();
      seen.answer(head(CHUNKED));
      assert.equal((await promptly("the head", client.readHead(), scene)).status, 200);
      for (let i = 0; i < EVENTS; i++) {
        client.send(chunk(`ping${i}`));
        assert.equal((await promptly("the next piece", seen.readBody(5), scene)).toString(), `ping${i}`);
        seen.answer(chunk(`pong${i}`));
        await promptly("the next piece", client.readUntil(`pong${i}`), scene);
      }
      client.send(LAST_CHUNK);
      await seen.body();
      seen.answer(LAST_CHUNK);
      await client.readUntil(`\r\n${LAST_CHUNK}`);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "streaming",
    says: "1 MiB down in chunks of all sizes arrive unchanged, and the connection goes on",
    source: "RFC 9112 §7.1",
    run: async ({ open, backend, exchange }) => {
      const body = randomBytes(2 ** 20);
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(Buffer.concat([Buffer.from(head(CHUNKED)), inChunks(body)]));
      assert.ok((await client.readResponse()).body.equals(body));
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "streaming",
    says: "4 MiB up in chunks of all sizes arrive unchanged, and the connection goes on",
    source: "RFC 9112 §7.1",
    run: async ({ open, backend, exchange }) => {
      const body = randomBytes(4 * 2 ** 20);
      const client = await open();
      client.send(Buffer.concat([Buffer.from(request("PUT /", CHUNKED.fields)), inChunks(body)]));
      const seen = await backend.request();
      assert.ok((await seen.body()).equals(body));
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "streaming",
    says: "a client that does not read holds the backend, and then gets all of a long answer unchanged",
    source: "nginx and HAProxy hold a few buffers",
    limitMs: FLOOD_LIMIT_MS,
    run: async (scene) => {
      const client = await scene.open();
      client.send(get());
      const seen = await scene.backend.request();
      const start = "x".repeat(64 * 1024); // a head alone may be held back, see above
      seen.answer(answer("200 OK", [`Content-Length: ${start.length + FLOOD_BYTES}`], start));
      await client.readHead();
      await client.readBytes(start.length);
      client.discard(); // hashed, not kept
      await floodWhileNobodyReads(scene, seen.connection, client, FLOOD_LIMIT_MS);
    },
  },
  {
    promise: "streaming",
    says: "a backend that does not read holds the client, and then gets all of a long upload unchanged",
    source: "nginx's proxy_request_buffering off; HAProxy",
    limitMs: FLOOD_LIMIT_MS,
    run: async (scene) => {
      const client = await scene.open();
      client.send(request("PUT /", [`Content-Length: ${FLOOD_BYTES}`]));
      const seen = await scene.backend.request();
      await Promise.all([
        floodWhileNobodyReads(scene, client, seen.connection, FLOOD_LIMIT_MS),
        seen.discardBody(FLOOD_LIMIT_MS),
      ]);
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "streaming",
    says: "an answer reaches a client whose upload the backend does not read",
    source: "RFC 9112 §9.3: the server may answer and close without reading; RFC 9110 §15.5.14",
    run: async (scene) => {
      const client = await scene.open();
      client.send(request("PUT /", ["Content-Length: 1000000000"]));
      const seen = await scene.backend.request();
      seen.connection.pause();
      await fill(scene, client);
      seen.answer(answer("413 Too Much", ["Connection: close"], "enough"));
      const given = await client.readResponse();
      assert.deepEqual([given.status, given.text], [413, "enough"]);
    },
  },
  ...[OF_LENGTH, TO_THE_END].map(
    ({ what }): Case => ({
      promise: "streaming",
      says: `a slow reader gets all of an answer ${what}, though its backend has long left`,
      source: "RFC 9112 §9.6; proxies that close one side with the other",
      run: async ({ open, backend, settled }) => {
        const body = randomBytes(2 * 2 ** 20);
        const client = await open();
        client.send(get("/", "Connection: close"));
        const seen = await backend.request();
        client.pause();
        const length = what === OF_LENGTH.what ? [`Content-Length: ${body.length}`] : [];
        seen.answer(head({ ...TO_THE_END, fields: length }, "Connection: close"));
        seen.answer(body);
        seen.connection.end();
        await settled();
        client.resume();
        assert.ok((await client.readResponse()).body.equals(body));
      },
    }),
  ),
  {
    promise: "streaming",
    says: "an event stream may be silent for longer than body_idle_timeout",
    source: "this daemon's own promise: upstream.stream_types",
    profile: "limits",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get("/events"));
      const seen = await backend.request();
      seen.answer(head(CHUNKED, "Content-Type: text/event-stream; charset=utf-8") + chunk("data: 0\n\n"));
      await client.readUntil("data: 0\n\n");
      await delay(2 * IDLE_MS);
      seen.answer(chunk("data: 1\n\n"));
      await client.readUntil("data: 1\n\n");
    },
  },
  {
    promise: "streaming",
    says: "any other answer that is silent for longer than body_idle_timeout is broken off, visibly",
    source: "this daemon's own promise: upstream.body_idle_timeout",
    profile: "limits",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get("/slow"));
      const seen = await backend.request();
      const beginMs = performance.now();
      seen.answer(head(CHUNKED, "Content-Type: text/plain") + chunk("half"));
      const given = await client.readResponse({ allowBroken: true });
      assert.deepEqual([given.text, given.isComplete], ["half", false]);
      const tookMs = performance.now() - beginMs;
      assert.ok(tookMs >= IDLE_MS, `after ${tookMs.toFixed(0)} ms`); // may be noticed late, not early
      await seen.connection.waitClosed();
    },
  },
];
