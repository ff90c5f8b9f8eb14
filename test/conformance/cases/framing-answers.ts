/** Framing of answers: where one ends, which have no body at all, and what is none. */
import assert from "node:assert/strict";
import type { RawClient } from "../../support/raw-client.ts";
import type { BackendConnection } from "../backend-connection.ts";
import { answer, type Case, get, OK, request, type Scene } from "../case.ts";
import { refusedAnswer } from "../outcomes.ts";
import type { SeenRequest } from "../seen-request.ts";

const BAD_GATEWAY = 502;
const CHUNKED = "Transfer-Encoding: chunked";
/** Of an answer that has no length. */
const UNTIL_CLOSE = "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nhello";
const HELLO_IN_A_CHUNK = "5\r\nhello\r\n0\r\n\r\n";

/** Heads of answers that have no body, whatever they say. */
const BODILESS: readonly (readonly [what: string, method: string, head: string, source: string])[] = [
  ["HEAD with chunks", "HEAD", answer("200 OK", [CHUNKED]), "RFC 9112 §6.3, rule 1"],
  ["HEAD without any length", "HEAD", "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", "RFC 9112 §6.3, rule 1"],
  ["HEAD with an error", "HEAD", answer("404 Not Found", ["Content-Length: 9"]), "RFC 9112 §6.3, rule 1"],
  ["GET by 304 with a length", "GET", answer("304 Not Modified", ["Content-Length: 5"]), "RFC 9110 §15.4.5"],
  ["GET by 304 with chunks", "GET", answer("304 Not Modified", [CHUNKED]), "RFC 9112 §6.3, rule 1"],
  [
    "GET by 304 without any length",
    "GET",
    "HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n",
    "RFC 9110 §15.4.5",
  ],
  ["GET by 204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "RFC 9110 §15.3.5"],
  ["GET by 204 with a length", "GET", answer("204 No Content", ["Content-Length: 5"]), "RFC 9110 §8.6"],
];

/** No proxy can know where these end. */
const BAD_LENGTHS: readonly (readonly [what: string, fields: readonly string[]])[] = [
  ["two different Content-Length", ["Content-Length: 2", "Content-Length: 5"]],
  ["a Content-Length of two different values", ["Content-Length: 2, 5"]],
  ["a negative Content-Length", ["Content-Length: -2"]],
  ["a Content-Length that is no number", ["Content-Length: two"]],
  ["a Content-Length of 2^64 + 2", ["Content-Length: 18446744073709551618"]],
];

interface Oddity {
  readonly says: string;
  readonly source: string;
  readonly fields: readonly string[];
  readonly body?: string;
  /** What X-A may become; undefined: it need not be there. */
  readonly value?: string;
}

/** Heads that a proxy refuses or mends. */
const ODDITIES: readonly Oddity[] = [
  { says: "a folded value", source: "RFC 9112 §5.2", fields: ["X-A: 1", "\t2"], value: "1 2" },
  { says: "a space before a colon", source: "RFC 9112 §5.1", fields: ["X-A : 1 2"], value: "1 2" },
  { says: "a CR without LF in a value", source: "RFC 9112 §2.2", fields: ["X-A: 1\r2"], value: "1 2" },
  { says: "a NUL in a value", source: "RFC 9110 §5.5", fields: ["X-A: 1\x002"], value: "1 2" },
  {
    says: "two equal Content-Length",
    source: "RFC 9110 §8.6",
    fields: ["X-A: 1 2", "Content-Length: 5", "Content-Length: 5"],
    body: "hello",
    value: "1 2",
  },
  {
    says: "both Content-Length and chunks",
    source: "RFC 9112 §6.3, rule 3",
    fields: ["X-A: 1 2", "Content-Length: 3", CHUNKED],
    body: HELLO_IN_A_CHUNK,
    value: "1 2",
  },
];

export const framingAnswers: readonly Case[] = [
  ...BODILESS.map(
    ([what, method, head, source]): Case => ({
      promise: "framing",
      says: `an answer to ${what} ends with its head, and the connection goes on`,
      source,
      run: async ({ exchange }) => {
        const { client, answer: given } = await exchange(request(`${method} /`), head, { method });
        assert.equal(given.status, Number(head.slice(9, 12)));
        const next = await exchange(get("/next"), OK, { client });
        assert.equal(next.answer.text, "ok");
      },
    }),
  ),
  ...BAD_LENGTHS.map(
    ([what, fields]): Case => ({
      promise: "framing",
      says: `an answer with ${what} becomes a 502, and its connection is closed`,
      source: "RFC 9112 §6.3, rule 5: MUST",
      run: async (scene) => void (await refusedAnswer(scene, answer("200 OK", fields, "hello"))),
    }),
  ),
  ...ODDITIES.map(
    ({ says, source, fields, body = "hello", value }): Case => ({
      promise: "framing",
      says: `an answer with ${says} is mended, or becomes a 502`,
      source,
      run: async ({ exchange, settled }) => {
        const { answer: given } = await exchange(get(), answer("200 OK", fields, body));
        if (given.status !== BAD_GATEWAY) {
          assert.deepEqual([given.text, given.header("x-a")?.replace(/[ \t]+/, " ")], ["hello", value]);
          const framings = [given.headerAll("content-length"), given.headerAll("transfer-encoding")].flat();
          assert.ok(framings.length <= 1, `framed by ${framings.join(" and ")}`);
        }
        await settled();
      },
    }),
  ),
  {
    promise: "framing",
    says: "an error of the proxy's own, in answer to HEAD, has no body either",
    source: "RFC 9110 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("HEAD /"));
      const seen = await backend.request();
      seen.connection.end();
      assert.equal((await client.readResponse({ method: "HEAD" })).status, BAD_GATEWAY);
      await settled();
      assert.equal(client.unread.toString("latin1"), "");
    },
  },
  {
    promise: "framing",
    says: "a Content-Length beyond 2^32 reaches the client as it came",
    source: "RFC 9110 §8.6: overflow",
    run: async ({ exchange }) => {
      const length = "1099511627781"; // 2^40 + 5
      const head = answer("200 OK", [`Content-Length: ${length}`]);
      const { client, answer: given } = await exchange(request("HEAD /"), head, { method: "HEAD" });
      assert.deepEqual(given.headerAll("content-length"), [length]);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an answer with both Content-Length and chunks becomes a 502, and its connection is closed",
    source: "RFC 9112 §6.3, rule 3: it ought to be handled as an error",
    daemonOnly: true,
    run: async (scene) => {
      const fields = ["Content-Length: 3", CHUNKED];
      await refusedAnswer(scene, answer("200 OK", fields, HELLO_IN_A_CHUNK));
    },
  },
  {
    promise: "framing",
    says: "an answer in a coding that nobody has asked for becomes a 502",
    source: "RFC 9112 §6.1: only what TE allows",
    daemonOnly: true,
    run: async (scene) => {
      for (const coding of ["gzip", "gzip, chunked", "xchunked", "chunked, chunked"]) {
        await refusedAnswer(scene, answer("200 OK", [`Transfer-Encoding: ${coding}`], HELLO_IN_A_CHUNK));
      }
    },
  },
  {
    promise: "framing",
    says: "chunks in an HTTP/1.0 answer are the last on their connection",
    source: "RFC 9112 §6.1",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(`HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n${CHUNKED}\r\n\r\n${HELLO_IN_A_CHUNK}`);
      await client.readUntil(/^HTTP\/1\.[01] (200|502) /);
      await settled();
      assert.equal(backend.requestsSeen, 1);
      await seen.connection.waitClosed();
    },
  },
  {
    promise: "framing",
    says: "a body that ends with the backend's connection reaches the client whole, and ends there too",
    source: "RFC 9112 §6.3, rule 8",
    run: async (scene) => {
      const { client, seen } = await begun(scene, UNTIL_CLOSE);
      seen.answer(" world");
      seen.connection.end();
      assert.equal((await client.readResponse()).text, "hello world");
    },
  },
  {
    promise: "framing",
    says: "a body that ends with the backend's connection does not end the client's",
    source: "RFC 9112 §7.1, §9.3: chunks keep it open",
    daemonOnly: true, // others may end both
    run: async (scene) => {
      const { client, seen } = await begun(scene, UNTIL_CLOSE);
      seen.connection.end();
      assert.equal((await client.readResponse()).text, "hello");
      const next = await scene.exchange(get("/next"), OK, { client });
      assert.equal(next.answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "a body that ends with a reset of the backend's connection is not whole at the client",
    source: "RFC 9112 §8",
    run: (scene) => notWhole(scene, UNTIL_CLOSE, (connection) => connection.reset()),
  },
  {
    promise: "framing",
    says: "an answer shorter than its Content-Length is not whole at the client",
    source: "RFC 9112 §8",
    run: (scene) => notWhole(scene, answer("200 OK", ["Content-Length: 10"], "hello")),
  },
  {
    promise: "framing",
    says: "an answer without its last chunk is not whole at the client",
    source: "RFC 9112 §8",
    run: (scene) => notWhole(scene, answer("200 OK", [CHUNKED], "5\r\nhello\r\n")),
  },
  {
    promise: "framing",
    says: "an answer cut within its last chunk's empty line is not whole at the client",
    source: "RFC 9112 §8, §7.1",
    run: (scene) => notWhole(scene, answer("200 OK", [CHUNKED], "5\r\nhello\r\n0\r\n")),
  },
  {
    promise: "framing",
    says: "Connection: close of the backend ends its own connection and not the client's",
    source: "RFC 9110 §7.6.1: hop by hop",
    run: async ({ exchange }) => {
      const closing = answer("200 OK", ["Connection: close"], "ok");
      const { client, seen } = await exchange(get(), closing);
      const next = await exchange(get("/next"), OK, { client });
      assert.equal(next.answer.text, "ok");
      assert.notEqual(next.seen.connection, seen.connection, "it said that it takes no other request");
    },
  },
  {
    promise: "framing",
    says: "CONNECT opens no tunnel by itself: the proxy or the backend refuses it, and that is all",
    source: "RFC 9110 §9.3.6",
    run: async ({ open, backend, settled }) => {
      backend.respond(() => answer("405 Method Not Allowed", ["Allow: GET"], "no"));
      const client = await open();
      client.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
      const { status } = await client.readResponse();
      assert.ok([400, 404, 405, 501].includes(status), `${status}`);
      await settled();
      assert.equal(client.unread.length, 0);
    },
  },
  {
    promise: "framing",
    says: "CONNECT is refused with 400 and reaches no backend",
    source: "RFC 9110 §9.3.6: not implemented",
    daemonOnly: true,
    run: async ({ refused }) => {
      await refused(`CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n${get("/smuggled")}`);
    },
  },
];

/** A request is made, and `bytes` have reached the proxy. */
async function begun(
  { open, backend, settled }: Scene,
  bytes: string,
): Promise<{ client: RawClient; seen: SeenRequest }> {
  const client = await open();
  client.send(get());
  const seen = await backend.request();
  seen.answer(bytes);
  await settled();
  return { client, seen };
}

/** What `bytes` begins is never finished, and the client can tell. */
async function notWhole(
  scene: Scene,
  bytes: string,
  cut: (connection: BackendConnection) => void = (connection) => connection.end(),
): Promise<void> {
  const { client, seen } = await begun(scene, bytes);
  cut(seen.connection);
  const given = await client.readResponse({ allowBroken: true });
  assert.equal(given.isComplete, false, `a whole answer: ${given.text}`);
}
