/** Messages cut into packets at every byte: where a packet ends means nothing. */
import assert from "node:assert/strict";
import { answer, type Case, get, request } from "../case.ts";

const CHUNKS = "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: 1\r\n\r\n";
const UPLOAD = request("POST /", ["Transfer-Encoding: chunked"], CHUNKS);
const DOWNLOAD = answer("200 OK", ["Transfer-Encoding: chunked"], CHUNKS);
const LIMIT_MS = 15_000;

export const framingPieces: readonly Case[] = [
  {
    promise: "framing",
    says: "a request in two packets, cut at any byte, is the same request",
    source: "RFC 9112 §2.2: a stream of octets",
    limitMs: LIMIT_MS,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      for (let at = 1; at < UPLOAD.length; at++) {
        client.send(UPLOAD.slice(0, at));
        await settled(); // the first piece has been read
        client.send(UPLOAD.slice(at) + get("/next"));
        const seen = await backend.request();
        assert.equal((await seen.body()).toString(), "hello world", `cut at ${at}`);
        seen.answer(answer("200 OK", [], "first"));
        (await backend.request()).answer(answer("200 OK", [], "next"));
        for (const text of ["first", "next"]) assert.equal((await client.readResponse()).text, text);
      }
    },
  },
  {
    promise: "framing",
    says: "a request in packets of one byte is the same request",
    source: "RFC 9112 §2.2: a stream of octets",
    limitMs: LIMIT_MS,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      for (const byte of UPLOAD) {
        client.send(byte);
        await settled();
      }
      const seen = await backend.request();
      assert.equal((await seen.body()).toString(), "hello world");
      seen.answer(answer("200 OK", [], "ok"));
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an answer in two packets, cut at any byte, is the same answer",
    source: "RFC 9112 §2.2: a stream of octets",
    limitMs: LIMIT_MS,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      for (let at = 1; at < DOWNLOAD.length; at++) {
        client.send(get());
        const seen = await backend.request();
        seen.answer(DOWNLOAD.slice(0, at));
        await settled();
        seen.answer(DOWNLOAD.slice(at));
        assert.equal((await client.readResponse()).text, "hello world", `cut at ${at}`);
      }
    },
  },
  {
    promise: "framing",
    says: "an answer in packets of one byte is the same answer",
    source: "RFC 9112 §2.2: a stream of octets",
    limitMs: LIMIT_MS,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      for (const byte of DOWNLOAD) {
        seen.answer(byte);
        await settled();
      }
      assert.equal((await client.readResponse()).text, "hello world");
    },
  },
];
