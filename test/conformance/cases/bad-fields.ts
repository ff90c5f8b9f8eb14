/** Cases of the promise "bad-answers": malformed fields, lengths and codings in the head of an answer. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK } from "../case.ts";
import { mendedOrRefused, refusedAnswer } from "../outcomes.ts";

type Row = readonly [what: string, bytes: string, source: string];

function withField(line: string): string {
  return `HTTP/1.1 200 OK\r\nX-A: 1\r\n${line}\r\nContent-Length: 2\r\n\r\nok`;
}

/** What one reader takes for the end of a line, and another does not. */
const SPLITTING: readonly Row[] = [
  ["a bare LF in a value", withField("X-B: a\nSet-Cookie: evil=1"), "RFC 9112 §2.2; CWE-113"],
  ["CR, LF and NUL in a name", withField("X\r-\n\0B: a"), "RFC 9110 §5.1"],
  ["an LF instead of every CRLF", withField("X-B: a").replaceAll("\r\n", "\n"), "RFC 9112 §2.2"],
  [
    "a folded line before all others",
    "HTTP/1.1 200 OK\r\n X-B: a\r\nContent-Length: 2\r\n\r\nok",
    "RFC 9112 §2.2",
  ],
  ["a line without a colon", withField("Nothing"), "RFC 9112 §5"],
  ["an empty name", withField(": a"), "RFC 9110 §5.1"],
  ["a space in a name", withField("X B: a"), "RFC 9110 §5.1"],
  ["a name of bytes that no name may hold", withField('X("\xe9"): a'), "RFC 9110 §5.6.2"],
];

const LENGTHS: readonly Row[] = [
  ["a length with a sign", answer("200 OK", ["Content-Length: +2"], "ok"), "RFC 9110 §8.6: digits"],
  ["a hexadecimal length", answer("200 OK", ["Content-Length: 0x2"], "ok"), "RFC 9110 §8.6"],
  ["a length with a space in it", answer("200 OK", ["Content-Length: 1 2"], "ok"), "RFC 9110 §8.6"],
  ["a length with a letter behind it", answer("200 OK", ["Content-Length: 2b"], "ok"), "RFC 9110 §8.6"],
];

const CHUNKED_OK = "2\r\nok\r\n0\r\n\r\n";

const p = { promise: "bad-answers" } as const;

export const badFields: readonly Case[] = [
  ...SPLITTING.map(
    ([what, bytes, source]): Case => ({
      ...p,
      says: `an answer with ${what} is put right, or a 502`,
      source,
      run: async (scene) => {
        const mended = await mendedOrRefused(scene, bytes);
        if (!mended) return;
        // In the reading of the lenient: bytes that no head may hold are gone, and the body is where it was.
        assert.equal(mended.status, 200);
        for (const [name] of mended.headers) assert.match(name, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
      },
    }),
  ),
  ...LENGTHS.map(
    ([what, bytes, source]): Case => ({
      ...p,
      says: `an answer with ${what} is a 502`,
      source,
      run: async (scene) => {
        await refusedAnswer(scene, bytes);
      },
    }),
  ),
  {
    ...p,
    says: "an answer whose length is empty is a 502, or has none",
    source: "RFC 9110 §8.6",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(answer("200 OK", ["Content-Length:"], "ok")).connection.end();
      const given = await client.readResponse({ allowBroken: true });
      if (given.status !== 502) assert.deepEqual([given.text, given.framing === "length"], ["ok", false]);
      await settled();
    },
  },
  {
    ...p,
    says: "an answer in a coding that nobody asked for does not pass for one without it",
    source: "RFC 9112 §6.1, §7.4; RFC 9110 §10.1.4",
    run: async ({ open, backend, settled }) => {
      for (const coding of ["gzip", "gzip, chunked", "xchunked", "chunked, identity"]) {
        const client = await open();
        client.send(get());
        const seen = await backend.request();
        seen.answer(answer("200 OK", [`Transfer-Encoding: ${coding}`], CHUNKED_OK)).connection.end();
        const given = await client.readResponse({ allowBroken: true });
        const names = given.headerAll("transfer-encoding").join();
        assert.ok(
          given.status === 502 || !given.isComplete || names.includes(coding),
          `${coding}: ${given.text}`,
        );
        await settled();
      }
    },
  },
  {
    ...p,
    says: "a Content-Length of a 204 frames nothing and does not pass",
    source: "RFC 9110 §8.6, §15.3.5",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(
        get(),
        answer("204 No Content", ["Content-Length: 5"]),
      );
      if (given.status !== 502) assert.deepEqual(given.headerAll("content-length"), []);
      if (client.ending === undefined)
        assert.equal((await exchange(get(), OK, { client })).answer.text, "ok");
    },
  },
];
