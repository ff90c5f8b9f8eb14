/** Cases of the promise "bytes": bodies, and answers that have none. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { answer, type Case, get, OK, request } from "../case.ts";

/** Every byte, and more of them than one read brings. */
const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const LONG = Buffer.concat(Array.from({ length: 512 }, () => EVERY_BYTE));

function chunked(body: Buffer, size = 1_000): string {
  const chunks: string[] = [];
  for (let at = 0; at < body.length; at += size) {
    const data = body.subarray(at, at + size);
    chunks.push(`${data.length.toString(16)}\r\n${data.toString("latin1")}\r\n`);
  }
  return `${chunks.join("")}0\r\n\r\n`;
}

export const bodies: readonly Case[] = [
  {
    promise: "bytes",
    says: "every byte of a body with a length passes in both directions, with that length",
    source: "RFC 9112 §6.2",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", [`Content-Length: ${LONG.length}`])).send(LONG);
      const seen = await backend.request();
      assert.ok(LONG.equals(await seen.body()), "the backend got other bytes");
      assert.deepEqual(seen.framing, { kind: "length", length: LONG.length });
      seen.answer(answer("200 OK", [`Content-Length: ${LONG.length}`])).answer(LONG);
      const given = await client.readResponse();
      assert.ok(LONG.equals(given.body), "the client got other bytes");
      assert.equal(given.header("content-length"), String(LONG.length));
    },
  },
  {
    promise: "bytes",
    says: "every byte of a chunked body passes in both directions",
    source: "RFC 9112 §7.1",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", ["Transfer-Encoding: chunked"], chunked(LONG)));
      const seen = await backend.request();
      assert.ok(LONG.equals(await seen.body()), "the backend got other bytes");
      seen.answer(answer("200 OK", ["Transfer-Encoding: chunked"], chunked(LONG)));
      const given = await client.readResponse();
      assert.ok(LONG.equals(given.body), "the client got other bytes");
    },
  },
  {
    promise: "bytes",
    says: "a body that is compressed passes as it is, with the fields that say so",
    source: "RFC 9110 §8.4, §7.7",
    run: async ({ exchange }) => {
      const body = gzipSync("text ".repeat(1_000)).toString("latin1");
      const fields = [
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        'ETag: "a"',
        "Vary: Accept-Encoding",
      ];
      const { answer: given } = await exchange(get(), answer("200 OK", fields, body));
      assert.equal(given.body.toString("latin1"), body);
      for (const field of [...fields, `Content-Length: ${body.length}`]) {
        const [name = "", value] = field.split(": ");
        assert.deepEqual(given.headerAll(name), [value]);
      }
    },
  },
  {
    promise: "bytes",
    says: "a body that could be compressed is not, when the client would take it",
    source: "RFC 9110 §7.7; its strong ETag would lie",
    run: async ({ exchange }) => {
      const body = "text ".repeat(1_000);
      const fields = ["Content-Type: text/plain", 'ETag: "a"'];
      const { answer: given } = await exchange(
        get("/", "Accept-Encoding: gzip"),
        answer("200 OK", fields, body),
      );
      assert.deepEqual([given.text, given.header("etag")], [body, '"a"']);
    },
  },
  {
    promise: "bytes",
    says: "a part of a body passes with its range",
    source: "RFC 9110 §14.2, §15.3.7",
    run: async ({ exchange }) => {
      const fields = ["Content-Range: bytes 2-4/10", "Accept-Ranges: bytes"];
      const { seen, answer: given } = await exchange(
        get("/", "Range: bytes=2-4", 'If-Range: "a"'),
        answer("206 Partial Content", fields, "cde"),
      );
      assert.deepEqual([seen.field("range"), seen.field("if-range")], ["bytes=2-4", '"a"']);
      assert.deepEqual(
        [given.status, given.text, given.header("content-range")],
        [206, "cde", "bytes 2-4/10"],
      );
    },
  },
  {
    promise: "bytes",
    says: "an empty body keeps its Content-Length: 0, and is not chunked",
    source: "RFC 9110 §8.6",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(
        request("POST /", ["Content-Length: 0"]),
        answer("200 OK"),
      );
      assert.equal(seen.field("content-length"), "0");
      assert.deepEqual([given.header("content-length"), given.framing], ["0", "length"]);
    },
  },
  {
    promise: "bytes",
    says: "an empty body keeps the connection in step, whichever way it is empty",
    source: "RFC 9112 §6.3; Go's TestTransportReuseConnEmptyResponseBody",
    run: async ({ open, exchange }) => {
      const client = await open();
      const chunkedNothing = answer("200 OK", ["Transfer-Encoding: chunked"], "0\r\n\r\n");
      for (const bytes of [chunkedNothing, answer("200 OK"), chunkedNothing, OK]) {
        const { answer: given } = await exchange(get(), bytes, { client });
        assert.equal(given.text, bytes === OK ? "ok" : "");
      }
    },
  },
  {
    promise: "bytes",
    says: "no length is made up for an answer that has no body and says none",
    source: "RFC 9110 §8.6, §9.3.2: a length to HEAD is that of GET",
    run: async ({ exchange }) => {
      const bare = 'HTTP/1.1 200 OK\r\nETag: "1"\r\n\r\n';
      const chunked = bare.replace("ETag", "Transfer-Encoding: chunked\r\nETag");
      const heads: readonly (readonly [method: string, head: string])[] = [
        ["HEAD", bare],
        ["HEAD", chunked],
        ["GET", bare.replace("200 OK", "204 No Content")],
        ["GET", bare.replace("200 OK", "304 Not Modified")],
      ];
      for (const [method, head] of heads) {
        const { answer: given } = await exchange(request(`${method} /`), head, { method });
        assert.deepEqual([given.header("etag"), given.headerAll("content-length")], ['"1"', []]);
      }
    },
  },
  {
    promise: "bytes",
    says: "a 205 that the backend closes behind reaches the client whole and empty",
    source: "RFC 9110 §15.3.6",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer("HTTP/1.1 205 Reset Content\r\nConnection: close\r\n\r\n").connection.end();
      const given = await client.readResponse();
      assert.deepEqual([given.status, given.text], [205, ""]);
    },
  },
  {
    promise: "bytes",
    says: "a 205 without a length is not waited for: it gets Content-Length: 0 at once",
    source: "RFC 9110 §15.3.6: it has no content",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(get(), "HTTP/1.1 205 Reset Content\r\n\r\n");
      assert.deepEqual([given.header("content-length"), given.framing], ["0", "length"]);
      assert.equal((await exchange(get(), OK, { client })).answer.text, "ok");
    },
  },
];
