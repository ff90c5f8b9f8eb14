/** Framing by chunks, both ways: every legal way to write them means the same body, and nothing else means a body. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request, type Scene } from "../case.ts";
import { neverWhole, readBroken } from "../outcomes.ts";
import { upload } from "../upload.ts";

/** It looks as if it held its own end. */
const BODY = "hello\r\n0\r\n\r\n!";
const CHUNKED = ["Transfer-Encoding: chunked"];

/** All of them are `BODY`. */
const LEGAL: readonly (readonly [what: string, chunks: string, source: string])[] = [
  ["a size of a capital digit", `D\r\n${BODY}\r\n0\r\n\r\n`, "RFC 9112 §7.1"],
  ["a size of a small digit", `d\r\n${BODY}\r\n0\r\n\r\n`, "RFC 9112 §7.1"],
  ["leading zeros in every size", `000000d\r\n${BODY}\r\n000\r\n\r\n`, "RFC 9112 §7.1: 1*HEXDIG"],
  ["one byte in each", `${[...BODY].map((byte) => `1\r\n${byte}\r\n`).join("")}0\r\n\r\n`, "RFC 9112 §7.1"],
  [
    "extensions with and without a value",
    `d;a;b=c\r\n${BODY}\r\n0;last=1\r\n\r\n`,
    "RFC 9112 §7.1.1: unknown ones are ignored",
  ],
  ["a quoted extension", `d;a="1; \\"0\\" =x"\r\n${BODY}\r\n0\r\n\r\n`, "RFC 9112 §7.1.1"],
  ["spaces around an extension", `d ;\ta = b\r\n${BODY}\r\n0 ; c\r\n\r\n`, "RFC 9112 §7.1.1: BWS"],
];

interface BadChunks {
  readonly what: string;
  readonly source: string;
  readonly chunks: string;
  /** Where a reader may take it for harmless: in a backend's answer, or wherever it is left out. */
  readonly isForgivable?: "in an answer" | "everywhere";
}

const BAD: readonly BadChunks[] = [
  { what: "a size that is no number", source: "RFC 9112 §7.1", chunks: "xyz\r\nhello\r\n0\r\n\r\n" },
  {
    what: "letters behind the digits of its size",
    source: "trafficserver issue 10580",
    chunks: "5xyz\r\nhello\r\n0\r\n\r\n",
  },
  { what: "no size", source: "RFC 9112 §7.1", chunks: "\r\nhello\r\n0\r\n\r\n" },
  { what: "a negative size", source: "Http11Probe", chunks: "-5\r\nhello\r\n0\r\n\r\n" },
  {
    what: "a signed size",
    source: "CVE-2023-38697 (protocol-http1)",
    chunks: "+5\r\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "a size with 0x",
    source: "CVE-2023-38697 (protocol-http1)",
    chunks: "0x5\r\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "an underscored size",
    source: "Http11Probe",
    chunks: "0_5\r\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "a space before its size",
    source: "Http11Probe",
    chunks: " 5\r\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "a size of 2^64 + 5",
    source: "CVE-2021-32714 (hyper)",
    chunks: "10000000000000005\r\nhello\r\n0\r\n\r\n",
  },
  { what: "more data than its size", source: "RFC 9112 §7.1", chunks: "5\r\nhello!!\r\n0\r\n\r\n" },
  {
    what: "a NUL behind its size",
    source: "Http11Probe",
    chunks: "5\x00\r\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "a NUL in an extension",
    source: "Http11Probe",
    chunks: "5;\x00a\r\nhello\r\n0\r\n\r\n",
    isForgivable: "everywhere", // the extension is not passed on
  },
  {
    what: "an LF alone behind its size",
    source: "CVE-2025-22871 (Go)",
    chunks: "5\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  {
    what: "an LF alone in an extension",
    source: "CVE-2025-55315 (Kestrel), CVE-2024-52304 (aiohttp)",
    chunks: "5;a\nhello\r\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
  { what: "a CR alone behind its size", source: "Http11Probe", chunks: "5\rhello\r\n0\r\n\r\n" },
  {
    what: "an LF alone behind its data",
    source: "Http11Probe",
    chunks: "5\r\nhello\n0\r\n\r\n",
    isForgivable: "in an answer",
  },
];

const BAD_REQUEST = 400;

export const framingChunks: readonly Case[] = [
  ...LEGAL.flatMap(([what, chunks, source]): Case[] => [
    {
      promise: "framing",
      says: `a request's chunks with ${what} are its body`,
      source,
      run: async (scene) => {
        const { client, body } = await upload(scene, request("POST /", CHUNKED, chunks));
        assert.equal(body, BODY);
        assert.equal((await scene.exchange(get("/next"), OK, { client })).answer.text, "ok");
      },
    },
    {
      promise: "framing",
      says: `an answer's chunks with ${what} are its body`,
      source,
      run: async ({ exchange }) => {
        const { client, answer: given } = await exchange(get(), answer("200 OK", CHUNKED, chunks));
        assert.equal(given.text, BODY);
        assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
      },
    },
  ]),
  ...BAD.filter((bad) => bad.isForgivable !== "everywhere").map(({ what, source, chunks }): Case => {
    return {
      promise: "framing",
      says: `a request's chunk with ${what} makes no whole request`,
      source,
      run: async (scene) => {
        await neverWhole(scene, request("POST /", CHUNKED, chunks));
      },
    };
  }),
  ...BAD.filter((bad) => bad.isForgivable === undefined).map(({ what, source, chunks }): Case => {
    return {
      promise: "framing",
      says: `an answer's chunk with ${what} makes no whole answer`,
      source,
      run: (scene) => noWholeAnswer(scene, chunks),
    };
  }),
  {
    promise: "framing",
    says: "every malformed chunk of a request is answered 400",
    source: "RFC 9112 §7.1",
    daemonOnly: true,
    run: async (scene) => {
      for (const { what, chunks } of BAD) {
        assert.equal(await neverWhole(scene, request("POST /", CHUNKED, chunks)), BAD_REQUEST, what);
      }
    },
  },
  {
    promise: "framing",
    says: "every malformed chunk of an answer breaks it",
    source: "RFC 9112 §7.1",
    daemonOnly: true,
    run: async (scene) => {
      for (const { chunks } of BAD) await noWholeAnswer(scene, chunks);
    },
  },
  {
    promise: "framing",
    says: "a chunk that turns bad on its way breaks the request that the backend is reading",
    source: "RFC 9112 §7.1",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", CHUNKED, "5\r\nhello\r\n"));
      const seen = await backend.request();
      await seen.readBody(5);
      client.send(`zz\r\n0\r\n\r\n${get("/smuggled")}`);
      await seen.connection.waitClosed();
      await client.waitClosed();
      assert.equal(seen.isComplete, false);
      await settled();
    },
  },
  {
    promise: "framing",
    says: "chunks that end with the connection and not with the last chunk make no whole request",
    source: "RFC 9112 §8",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", CHUNKED, "5\r\nhello\r\n"));
      const seen = await backend.request();
      await seen.readBody(5);
      client.end();
      await seen.connection.waitClosed();
      assert.equal(seen.isComplete, false);
      await settled();
    },
  },
  {
    promise: "framing",
    says: "chunks far larger than any buffer pass, both ways",
    source: "RFC 9112 §7.1",
    run: async (scene) => {
      const body = "0123456789abcdef".repeat(20_000);
      const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const whole = request("POST /", CHUNKED, chunks);
      const { body: uploaded, answer: given } = await upload(scene, whole, answer("200 OK", CHUNKED, chunks));
      assert.ok(uploaded === body, "the request's body changed");
      assert.ok(given.text === body, "the answer's body changed");
    },
  },
  {
    promise: "framing",
    says: "a body of hardly more than chunk extensions is refused",
    source: "CVE-2023-39326 (Go), CVE-2024-22019 (Node.js)",
    daemonOnly: true,
    run: async (scene) => {
      const chunk = `1;${"a".repeat(4_000)}\r\nx\r\n`;
      const bytes = request("POST /", CHUNKED, `${chunk.repeat(8)}0\r\n\r\n`);
      assert.equal(await neverWhole(scene, bytes), BAD_REQUEST);
    },
  },
];

/** The proxy says 502 instead, or the client can tell; and the backend's connection is used for nothing else. */
async function noWholeAnswer({ open, backend, settled }: Scene, chunks: string): Promise<void> {
  const client = await open();
  client.send(get());
  const seen = await backend.request();
  seen.answer(answer("200 OK", CHUNKED, chunks));
  await readBroken(client);
  await seen.connection.waitClosed();
  await settled();
}
