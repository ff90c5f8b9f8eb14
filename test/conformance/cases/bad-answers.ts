/** Cases of the promise "bad-answers": what is no answer, what is one too many, and what is told of it. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";
import { readCounter } from "../counters.ts";
import { mendedOrRefused, refusedAnswer } from "../outcomes.ts";
import { sendWithoutEnd } from "../pace.ts";

type Row = readonly [what: string, bytes: string, source: string];

const REST = "\r\nContent-Length: 2\r\n\r\nok";

const STATUS_LINES: readonly Row[] = [
  ["has no status", `HTTP/1.1 OK${REST}`, "RFC 9112 §4"],
  ["has a status of two digits", `HTTP/1.1 20 OK${REST}`, "RFC 9112 §4"],
  ["has a status of four digits", `HTTP/1.1 2000 OK${REST}`, "RFC 9112 §4"],
  ["has a letter in its status", `HTTP/1.1 2o0 OK${REST}`, "RFC 9112 §4"],
  ["has a status below zero", `HTTP/1.1 -20 OK${REST}`, "RFC 9112 §4"],
  ["has a colon behind its status", `HTTP/1.1 404: Not Found${REST}`, "nginx/nginx#378: the client hung"],
  ["has no version", `HTTP 200 OK${REST}`, "RFC 9112 §2.3"],
  ["has a version of one digit", `HTTP/1 200 OK${REST}`, "RFC 9112 §2.3"],
  ["has a version of three digits", `HTTP/1.10 200 OK${REST}`, "RFC 9112 §2.3"],
  ["is of HTTP/2", `HTTP/2 200 OK${REST}`, "RFC 9112 §2.3"],
  ["has HTTP in small letters", `http/1.1 200 OK${REST}`, "RFC 9112 §2.3: case-sensitive"],
  ["begins with a space", ` HTTP/1.1 200 OK${REST}`, "RFC 9112 §4"],
  ["is of Icecast", `ICY 200 OK${REST}`, "RFC 9112 §2.3; curl takes it"],
  ["is a request", get("/evil", "Content-Length: 0"), "RFC 9112 §2.1"],
];

/** RFC 9112 §4 lets a lenient reader part the words at any white space; what it passes on must be right. */
const LENIENT: readonly Row[] = [
  ["two spaces", `HTTP/1.1  200 OK${REST}`, "RFC 9112 §4"],
  ["tabs", `HTTP/1.1\t200\tOK${REST}`, "RFC 9112 §4"],
  [
    "nothing behind its status",
    `HTTP/1.1 200${REST}`,
    "RFC 9112 §4: the space must be there, the reason need not",
  ],
  ["a bare CR in its reason", `HTTP/1.1 200 O\rK${REST}`, "RFC 9112 §2.2"],
  ["a NUL in its reason", `HTTP/1.1 200 O\0K${REST}`, "RFC 9112 §4"],
  ["a higher minor version", `HTTP/1.9 200 OK${REST}`, "RFC 9110 §2.5"],
];

/** What servers of other protocols say; each is followed by the end of its connection, or by its silence. */
const GARBAGE: readonly (readonly [what: string, bytes: string, isClosed: boolean, source: string])[] = [
  ["a page without a head", "<html>hello</html>\n", true, "HTTP/0.9; nginx/nginx#378"],
  ["a TLS alert", "\x15\x03\x03\x00\x02\x02\x46", true, "RFC 8446 §6: plain HTTP to a TLS port"],
  ["the greeting of SSH", "SSH-2.0-OpenSSH_9.2\r\n", true, "RFC 4253 §4.2"],
  ["the greeting of SMTP", "220 mail.test ESMTP\r\n", true, "RFC 5321 §3.1"],
  [
    "frames of HTTP/2",
    "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff\0\x05\0\0\x40\0",
    true,
    "RFC 9113 §3.4",
  ],
  ["a megabyte of noise", "\xff\0\r\n\n\x7f".repeat(2 ** 20 / 6), false, "RFC 9112 §4"],
];

const ENDLESS: readonly (readonly [what: string, start: string, piece: string])[] = [
  ["a reason", "HTTP/1.1 200 ", "r"],
  ["a field", "HTTP/1.1 200 OK\r\nX-A: ", "a"],
  ["fields", "HTTP/1.1 200 OK\r\n", "X-A: a\r\n"],
];

const MAX_INTERIM = 100;
const HINT = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

const p = { promise: "bad-answers" } as const;

export const badAnswers: readonly Case[] = [
  ...STATUS_LINES.map(
    ([what, bytes, source]): Case => ({
      ...p,
      says: `an answer whose first line ${what} is a 502`,
      source,
      run: async (scene) => {
        await refusedAnswer(scene, bytes);
      },
    }),
  ),
  ...LENIENT.map(
    ([what, bytes, source]): Case => ({
      ...p,
      says: `an answer whose first line has ${what} is put right, or a 502`,
      source,
      run: async (scene) => {
        const mended = await mendedOrRefused(scene, bytes);
        if (mended) assert.deepEqual([mended.httpVersion, mended.status, mended.text], ["1.1", 200, "ok"]);
      },
    }),
  ),
  ...GARBAGE.map(
    ([what, bytes, isClosed, source]): Case => ({
      ...p,
      says: `a backend that says ${what} is a 502`,
      source,
      run: async ({ open, backend, settled }) => {
        const client = await open();
        client.send(request("POST /", ["Content-Length: 0"])); // so that nobody tries again
        const { connection } = (await backend.request()).answer(bytes);
        if (isClosed) connection.end();
        assert.equal((await client.readResponse()).status, 502);
        await connection.waitClosed();
        await settled();
        assert.equal(backend.requestsSeen, 1);
      },
    }),
  ),
  ...ENDLESS.map(
    ([what, start, piece]): Case => ({
      ...p,
      says: `${what} without end in an answer's head is a 502 while it still comes`,
      source: "Go's Transport.MaxResponseHeaderBytes; nginx's \"upstream sent too big header\"",
      limitMs: 15_000,
      run: async ({ open, backend, settled }) => {
        const client = await open();
        client.send(get());
        const { connection } = (await backend.request()).answer(start);
        await sendWithoutEnd(connection, piece, () => false, 32 * 2 ** 20);
        assert.equal((await client.readResponse()).status, 502);
        await settled();
      },
    }),
  ),
  {
    ...p,
    says: `${MAX_INTERIM} interim answers pass, one more is a 502`,
    source: "Go's TestTransportLimits1xxResponses; the number is the daemon's",
    daemonOnly: true,
    run: async (scene) => {
      const { answer: given } = await scene.exchange(get(), HINT.repeat(MAX_INTERIM) + OK);
      assert.deepEqual([given.status, given.interim.length], [200, MAX_INTERIM]);
      await refusedAnswer(scene, HINT.repeat(MAX_INTERIM + 1) + OK);
    },
  },
  {
    ...p,
    says: "what frames nothing in an interim answer does not pass with it",
    source: "RFC 9110 §8.6, RFC 9112 §6.1: neither may stand in a 1xx",
    run: async (scene) => {
      for (const line of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
        const mended = await mendedOrRefused(scene, HINT.replace("Link", `${line}\r\nLink`) + OK);
        if (!mended) continue;
        assert.equal(mended.text, "ok");
        const names = mended.interim.flatMap(({ headers }) => headers.map(([name]) => name.toLowerCase()));
        assert.ok(!/content-length|transfer-encoding/.test(names.join()), names.join());
      }
    },
  },
  {
    ...p,
    says: "bytes behind an interim answer that are no answer are a 502",
    source: "RFC 9112 §4",
    run: async (scene) => {
      await refusedAnswer(scene, `HTTP/1.1 100 Continue\r\n\r\nhello${OK}`);
    },
  },
  {
    ...p,
    says: "each answer that was refused is counted, and its client is told the code",
    source: "the daemon's table of errors",
    daemonOnly: true,
    limitMs: 10_000,
    run: async (scene) => {
      const labels = { reason: "backend_invalid_answer", version: "v1" };
      const read = (): Promise<number> => readCounter(scene.daemon(), "upstream_errors_total", labels);
      const before = await read();
      const bad: readonly (string | Buffer)[] = [
        `HTTP/1.1 OK${REST}`,
        answer("200 OK", ["Content-Length: 1", "Content-Length: 2"], "ok"),
        answer("200 OK", ["X-A: a\0b"]),
        answer("200 OK", ["Transfer-Encoding: gzip"], "ok"),
        answer("200 OK", ["Transfer-Encoding: chunked"], "no\r\n"),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        HINT.repeat(MAX_INTERIM + 1),
        `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(64 * 1024)}\r\n\r\n`,
        `HTTP/1.1 200 OK\r\n${"X: 1\r\n".repeat(1_001)}\r\n`,
      ];
      for (const bytes of bad) {
        const { answer: given } = await refusedAnswer(scene, bytes);
        assert.equal(given.header("content-type"), "application/problem+json");
        assert.equal(JSON.parse(given.text).code, "BACKEND_INVALID_ANSWER");
      }
      assert.equal((await read()) - before, bad.length);
    },
  },
];
