/**
 * Reused backend connections: whatever a backend sends that nobody asked for, and whatever a client leaves half done,
 * the next client gets its own answer.
 */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";
import type { SeenRequest } from "../seen-request.ts";

const STRAY = answer("200 OK", ["X-Stray: 1"], "stray");
const STRAY_LENGTH = `Content-Length: ${STRAY.length}`;
const CHUNKED = "Transfer-Encoding: chunked";

/** Answers with bytes behind their end. */
const SURPLUS: readonly (readonly [what: string, method: string, bytes: string])[] = [
  ["its Content-Length", "GET", OK + STRAY],
  ["its last chunk", "GET", answer("200 OK", [CHUNKED], `2\r\nok\r\n0\r\n\r\n${STRAY}`)],
  ["no content", "GET", answer("200 OK", ["Content-Length: 0"], STRAY)],
  ["its head to HEAD", "HEAD", answer("200 OK", [STRAY_LENGTH], STRAY)],
  ["its head to HEAD and in chunks", "HEAD", answer("200 OK", [CHUNKED], "5\r\nstray\r\n0\r\n\r\n")],
  ["its head by 304", "GET", answer("304 Not Modified", [STRAY_LENGTH], STRAY)],
  ["its head by 204", "GET", answer("204 No Content", [STRAY_LENGTH], STRAY)],
  ["its end that are an interim one", "GET", `${OK}HTTP/1.1 100 Continue\r\n\r\n`],
  ["its end that are none at all", "GET", `${OK}\r\n`],
];

/** Ways to answer one request, each with what it means. */
const FORMS: readonly ((seen: SeenRequest) => string)[] = [
  ({ target }) => answer("200 OK", [], target),
  ({ target }) =>
    answer("200 OK", [CHUNKED], `${target.length.toString(16)}\r\n${target}\r\n0\r\nX-A: 1\r\n\r\n`),
  ({ target }) => answer("200 OK", ["Connection: close"], target),
  ({ target }) => {
    const chunks = [...target].map((byte) => `1\r\n${byte}\r\n`).join("");
    return answer("200 OK", [CHUNKED], `${chunks}0\r\n\r\n`);
  },
];

export const framingReuse: readonly Case[] = [
  ...SURPLUS.map(
    ([what, method, bytes]): Case => ({
      promise: "framing",
      says: `bytes of an answer behind ${what} reach no client: not this one, not the next`,
      source: "response queue poisoning (Kettle 2022); curl pull 5440",
      run: async ({ open, backend, exchange, settled }) => {
        const { client } = await exchange(request(`${method} /`), bytes, { method });
        await settled();
        assert.equal(client.unread.toString("latin1"), "", "bytes behind the answer");
        const next = await exchange(get("/next"), answer("200 OK", [], "next"), { client });
        assert.equal(next.answer.text, "next");
        // At once: the connection is taken again by the client that waits.
        const pipelining = await open();
        pipelining.send(request(`${method} /`) + get("/behind"));
        (await backend.request()).answer(bytes);
        await pipelining.readResponse({ method });
        (await backend.request()).answer(answer("200 OK", [], "behind"));
        assert.equal((await pipelining.readResponse()).text, "behind");
      },
    }),
  ),
  {
    promise: "framing",
    says: "a connection with bytes behind an answer takes no other request: more may follow",
    source: "curl pull 5440, bun pull 37438",
    daemonOnly: true,
    run: async ({ exchange }) => {
      for (const [what, method, bytes] of SURPLUS) {
        const { seen } = await exchange(request(`${method} /`), bytes, { method });
        await seen.connection.waitClosed().catch((cause: unknown) => {
          throw new Error(`still open with bytes behind ${what}`, { cause });
        });
      }
    },
  },
  {
    promise: "framing",
    says: "an idle connection on which the backend speaks unasked is closed, and its words reach nobody",
    source: "Go: Unsolicited response received on idle HTTP channel; aiohttp issue 13656",
    run: async ({ exchange, settled }) => {
      const { seen, client } = await exchange(get());
      seen.connection.send(STRAY);
      await seen.connection.waitClosed();
      await settled();
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "the rest of an answer that a client has left reaches nobody",
    source: "RFC 9112 §9.3",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(answer("200 OK", [CHUNKED], "5\r\nhello\r\n"));
      await client.readUntil("hello");
      client.destroy();
      await settled();
      seen.answer(`5\r\nworld\r\n0\r\n\r\n${STRAY}`);
      for (let i = 0; i < 3; i++) await settled();
    },
  },
  {
    promise: "framing",
    says: "an answer for which its client did not wait reaches nobody",
    source: "RFC 9112 §9.3",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      client.destroy();
      await settled();
      seen.answer(STRAY);
      for (let i = 0; i < 3; i++) await settled();
    },
  },
  {
    promise: "framing",
    says: "an upload that its client has left is nobody else's: no request becomes its rest",
    source: "RFC 9112 §8",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 1000"], "hello"));
      const seen = await backend.request();
      await seen.readBody(5);
      client.destroy();
      for (let i = 0; i < 3; i++) await settled();
      await seen.connection.waitClosed();
      assert.deepEqual([seen.isComplete, seen.bodyBytes], [false, 5]);
    },
  },
  {
    promise: "framing",
    says: "many clients at once, answered in every form, each get what is theirs",
    source: "RFC 9112 §9.3",
    run: async ({ open, backend }) => {
      backend.respond((seen) => FORMS[Number(seen.target.split("/")[2]) % FORMS.length]?.(seen));
      const visit = async (i: number): Promise<void> => {
        const client = await open();
        for (let turn = 0; turn < 6; turn++) {
          const target = `/${i}/${turn + i}`;
          client.send(get(target));
          assert.equal((await client.readResponse()).text, target);
        }
      };
      await Promise.all(Array.from({ length: 30 }, (_, i) => visit(i)));
    },
  },
];
