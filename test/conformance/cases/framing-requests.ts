/** Framing of requests that are as they should be, however unusual: none is refused, none loses its body. */
import assert from "node:assert/strict";
import { type Case, get, OK, request } from "../case.ts";
import { upload } from "../upload.ts";

/** What a body looks like to whoever takes it for the next request. */
const LOOKS_LIKE_A_REQUEST = get("/smuggled");
const IN_A_CHUNK = `${LOOKS_LIKE_A_REQUEST.length.toString(16)}\r\n${LOOKS_LIKE_A_REQUEST}\r\n0\r\n\r\n`;

/** Methods that seldom have a body, so that a proxy may forget about it; QUERY is one that it does not know. */
const METHODS = ["GET", "HEAD", "DELETE", "OPTIONS", "QUERY"];

const FRAMINGS: readonly (readonly [what: string, fields: readonly string[], body: string])[] = [
  ["a Content-Length", [`Content-Length: ${LOOKS_LIKE_A_REQUEST.length}`], LOOKS_LIKE_A_REQUEST],
  ["chunks", ["Transfer-Encoding: chunked"], IN_A_CHUNK],
];

const SPELLINGS: readonly (readonly [what: string, field: string, body: string, source: string])[] = [
  [
    "a Content-Length with leading zeros is decimal",
    "Content-Length: 0010",
    "0123456789",
    "RFC 9110 §8.6: 1*DIGIT",
  ],
  [
    "a Content-Length may stand between tabs and spaces",
    "Content-Length:\t 10 \t",
    "0123456789",
    "RFC 9112 §5: OWS",
  ],
  [
    "the framing fields are known in any case",
    "cONTENT-lENGTH: 10",
    "0123456789",
    "RFC 9110 §5.1; http-garden",
  ],
  [
    "Transfer-Encoding: CHUNKED, between tabs and spaces, means chunks",
    "TRANSFER-encoding:\t CHUNKED \t",
    "A\r\n0123456789\r\n0\r\n\r\n",
    "RFC 9110 §10.1.4, RFC 9112 §7: coding names have no case",
  ],
];

/** Of none of them the length of a body can be learned, though careless eyes do. */
const LOOKALIKES: readonly (readonly [field: string, source: string])[] = [
  ["Transfer_Encoding: chunked", "gateways that make _ of -; smuggler"],
  ["X-Transfer-Encoding: chunked", "RFC 9110 §5.1"],
  ["Content_Length: 0", "gateways that make _ of -; smuggler"],
];

export const framingRequests: readonly Case[] = [
  ...METHODS.flatMap((method) =>
    FRAMINGS.map(
      ([what, fields, body]): Case => ({
        promise: "framing",
        says: `the body of ${method} with ${what} stays a body, and the next request is the next`,
        source: "RFC 9112 §6.1; CVE-2026-29057 (http-proxy: DELETE and OPTIONS with chunks)",
        run: async ({ open, backend }) => {
          const client = await open();
          client.send(request(`${method} /with-body`, fields, body) + get("/next"));
          const first = await backend.request();
          assert.equal((await first.body()).toString(), LOOKS_LIKE_A_REQUEST);
          first.answer(OK.replace("ok", method === "HEAD" ? "" : "ok"));
          assert.equal((await client.readResponse({ method })).status, 200);
          const next = await backend.request();
          assert.equal(next.target, "/next");
          next.answer(OK);
          assert.equal((await client.readResponse()).text, "ok");
        },
      }),
    ),
  ),
  ...SPELLINGS.map(
    ([says, field, body, source]): Case => ({
      promise: "framing",
      says,
      source,
      run: async ({ open, backend }) => {
        const client = await open();
        client.send(request("POST /", [field], body) + get("/next"));
        const first = await backend.request();
        assert.equal((await first.body()).toString(), "0123456789");
        first.answer(OK);
        (await backend.request()).answer(OK);
        for (let i = 0; i < 2; i++) assert.equal((await client.readResponse()).text, "ok");
      },
    }),
  ),
  ...LOOKALIKES.map(
    ([field, source]): Case => ({
      promise: "framing",
      says: `${field} frames nothing`,
      source,
      run: async (scene) => {
        const fields = [field, `Content-Length: ${IN_A_CHUNK.length}`];
        const { client, body } = await upload(scene, request("POST /", fields, IN_A_CHUNK));
        assert.equal(body, IN_A_CHUNK);
        const next = await scene.exchange(get("/next"), OK, { client });
        assert.equal(next.answer.text, "ok");
      },
    }),
  ),
  {
    promise: "framing",
    says: "a POST without Content-Length and Transfer-Encoding has no body: what follows is the next request",
    source: "RFC 9112 §6.3, rule 7",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /") + get("/next"));
      const first = await backend.request();
      assert.equal((await first.body()).length, 0);
      first.answer(OK);
      (await backend.request()).answer(OK);
      for (let i = 0; i < 2; i++) assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "a Content-Length of 2^32 + 5 is not one of 5, whether it is too large or not",
    source: "RFC 9110 §8.6: overflow",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      const body = `hello${LOOKS_LIKE_A_REQUEST}`;
      client.send(request("POST /", [`Content-Length: ${2 ** 32 + 5}`], body));
      const isDecided = (): boolean => backend.requestsSeen > 0 || client.unread.length > 0;
      await backend.until("a request at the backend, or a refusal", isDecided);
      if (backend.requestsSeen > 0) {
        const seen = await backend.request();
        assert.deepEqual(seen.framing, { kind: "length", length: 2 ** 32 + 5 });
        assert.equal((await seen.readBody(body.length)).toString(), body);
      } else assert.equal((await client.readResponse()).status, 413);
      await settled();
    },
  },
  {
    promise: "framing",
    says: "a POST of Content-Length: 0 still says so at the backend",
    source: "RFC 9110 §8.6: a method that expects content sends Content-Length: 0",
    run: async ({ exchange }) => {
      const { seen } = await exchange(request("POST /", ["Content-Length: 0"]));
      assert.deepEqual(seen.fieldAll("content-length"), ["0"]);
    },
  },
  {
    promise: "framing",
    says: "a body of no chunk but the last is empty, and is over",
    source: "RFC 9112 §7.1",
    run: async (scene) => {
      const bytes = request("POST /", ["Transfer-Encoding: chunked"], "0\r\n\r\n");
      const { client, body } = await upload(scene, bytes);
      assert.equal(body, "");
      const next = await scene.exchange(get("/next"), OK, { client });
      assert.equal(next.answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "a chunked request whose Connection names Transfer-Encoding keeps its framing",
    source: "RFC 9110 §7.6.1; abusing hop-by-hop headers (N. Davison, 2019)",
    run: async (scene) => {
      const fields = ["Connection: Transfer-Encoding", "Transfer-Encoding: chunked"];
      const { body } = await upload(scene, request("DELETE /", fields, IN_A_CHUNK));
      assert.equal(body, LOOKS_LIKE_A_REQUEST);
    },
  },
  {
    promise: "framing",
    says: "an empty line behind a body is no request and spoils none",
    source: "RFC 9112 §2.2: old clients send one",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(`${request("POST /", ["Content-Length: 2"], "hi")}\r\n${get("/next")}`);
      backend.respond();
      for (let i = 0; i < 2; i++) assert.equal((await client.readResponse()).status, 200);
      assert.deepEqual(
        backend.requests.map(({ target }) => target),
        ["/", "/next"],
      );
    },
  },
];
