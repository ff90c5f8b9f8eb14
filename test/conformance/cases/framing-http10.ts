/** HTTP/1.0 on either side: no chunks and no interim answers to it, no connection kept that was not offered. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK } from "../case.ts";
import { upload } from "../upload.ts";

const CHUNKED_HELLO = answer(
  "200 OK",
  ["Transfer-Encoding: chunked"],
  "5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n",
);
const KEEP_ALIVE = "Connection: keep-alive";

export const framingHttp10: readonly Case[] = [
  {
    promise: "framing",
    says: "an HTTP/1.0 client is answered, and its connection closed",
    source: "RFC 9112 §9.3",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(old("GET /"), OK);
      assert.equal(given.text, "ok");
      assert.equal(await client.waitClosed(), "end");
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 client that asks for keep-alive is told so, and sends its next request on it",
    source: "RFC 9112 §C.2.2; ab -k",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(old("GET /", [KEEP_ALIVE]), OK);
      assert.match(given.headerAll("connection").join(), /keep-alive/i);
      const next = await exchange(old("GET /next", [KEEP_ALIVE]), OK, { client });
      assert.equal(next.answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 client gets no chunks: the body ends with the connection, without trailers",
    source: "RFC 9112 §6.1, §7.1.2",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(old("GET /"), CHUNKED_HELLO);
      assert.deepEqual([given.headerAll("transfer-encoding"), given.text], [[], "hello"]);
      assert.equal(await client.waitClosed(), "end");
    },
  },
  {
    promise: "framing",
    says: "keep-alive is not promised to an HTTP/1.0 client for a body of unknown length",
    source: "RFC 9112 §6.3, rule 8",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(old("GET /", [KEEP_ALIVE]), CHUNKED_HELLO);
      assert.equal(given.text, "hello");
      assert.deepEqual(given.headerAll("transfer-encoding"), []);
      if (given.framing === "close") {
        assert.doesNotMatch(given.headerAll("connection").join(), /keep-alive/i);
        assert.equal(await client.waitClosed(), "end");
      }
    },
  },
  {
    promise: "framing",
    says: "a chunked answer that breaks off is reset for an HTTP/1.0 client, which can tell by nothing else",
    source: "RFC 9112 §8",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(old("GET /"));
      const seen = await backend.request();
      seen.answer(answer("200 OK", ["Transfer-Encoding: chunked"], "5\r\nhello\r\n"));
      await client.readUntil("hello");
      seen.connection.end();
      assert.equal(await client.waitClosed(), "reset");
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 client gets the final answer alone: no interim one before it",
    source: "RFC 9110 §15.2: MUST NOT",
    run: async ({ exchange }) => {
      const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n";
      const { answer: given } = await exchange(old("GET /"), interim + OK);
      assert.deepEqual([given.interim, given.text], [[], "ok"]);
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 client that expects 100-continue is not told to go on",
    source: "RFC 9110 §10.1.1: MUST ignore",
    run: async (scene) => {
      const bytes = `${old("POST /", ["Expect: 100-continue", "Content-Length: 5"])}hello`;
      const { body, answer: given } = await upload(scene, bytes);
      assert.equal(body, "hello");
      assert.deepEqual([given.interim, given.text], [[], "ok"]);
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 request without Content-Length has no body, and nobody waits for one",
    source: "RFC 9112 §6.3, rule 7",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(old("POST /"), OK);
      assert.equal((await seen.body()).length, 0);
      assert.equal(given.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "what an HTTP/1.0 client without keep-alive sends behind its request is not looked at",
    source: "RFC 9112 §9.3, §9.6",
    run: async ({ exchange, backend, settled }) => {
      const { client } = await exchange(old("GET /") + get("/smuggled"), OK);
      await client.waitClosed();
      await settled();
      assert.equal(backend.requestsSeen, 1);
      assert.equal(client.unread.length, 0);
    },
  },
  {
    promise: "framing",
    says: "the answer of an HTTP/1.0 backend is an HTTP/1.1 answer at the client",
    source: "RFC 9110 §2.5: a proxy sends its own version",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(get(), OK.replace("HTTP/1.1", "HTTP/1.0"));
      assert.deepEqual([given.httpVersion, given.text], ["1.1", "ok"]);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an HTTP/1.0 backend that has not offered keep-alive gets no second request on its connection",
    source: "RFC 9112 §9.3",
    run: async ({ exchange }) => {
      const first = await exchange(get(), OK.replace("HTTP/1.1", "HTTP/1.0"));
      const next = await exchange(get("/next"), OK, { client: first.client });
      assert.notEqual(next.seen.connection, first.seen.connection);
      await first.seen.connection.waitClosed();
    },
  },
  {
    promise: "framing",
    says: "a body without length of an HTTP/1.0 backend reaches an HTTP/1.1 client whole",
    source: "RFC 9112 §6.3, rule 8",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello").connection.end();
      assert.equal((await client.readResponse()).text, "hello");
    },
  },
  {
    promise: "framing",
    says: "a body without length of an HTTP/1.0 backend reaches an HTTP/1.0 client whole",
    source: "RFC 9112 §6.3, rule 8",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(old("GET /", [KEEP_ALIVE]));
      const seen = await backend.request();
      seen.answer("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello").connection.end();
      const given = await client.readResponse();
      assert.deepEqual([given.headerAll("transfer-encoding"), given.text], [[], "hello"]);
    },
  },
];

/** Like `request()`, in HTTP/1.0. @param line method and target. */
function old(line: string, fields: readonly string[] = []): string {
  return [`${line} HTTP/1.0`, "Host: h", ...fields, "", ""].join("\r\n");
}
