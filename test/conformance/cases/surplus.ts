/** Cases of the promise "bad-answers": bytes behind an answer are nobody's, least of all the next client's. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";

const EVIL = answer("200 OK", [], "evil");
/** An answer that is whole, and what stands behind it in the same packet. */
const SURPLUS: readonly (readonly [what: string, bytes: string, surplus: string, source: string])[] = [
  ["more than its length", OK, "evil evil", "RFC 9112 §6.3; nginx warns of it"],
  [
    "chunks behind a 204",
    "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "4\r\nevil\r\n0\r\n\r\n",
    "RFC 9112 §6.3",
  ],
];

const p = { promise: "bad-answers" } as const;

export const surplus: readonly Case[] = [
  ...SURPLUS.map(
    ([what, bytes, extra, source]): Case => ({
      ...p,
      says: `${what} in the packet of an answer reaches nobody`,
      source,
      run: async ({ exchange, settled }) => {
        const { client, answer: given } = await exchange(get(), bytes + extra);
        assert.ok(!given.text.includes("evil"), given.text);
        await settled();
        // Refused, or passed on: what follows on this connection is the answer to what is asked next.
        if (client.ending === undefined) {
          const next = await exchange(get("/next"), answer("200 OK", [], "next"), { client });
          assert.equal(next.answer.text, "next");
        }
        assert.equal(client.unread.toString("latin1"), "");
      },
    }),
  ),
  {
    ...p,
    says: "a connection that has brought more than an answer is closed",
    source: "RFC 9112 §6.3: a client must not read on, and ought to close",
    daemonOnly: true,
    run: async ({ exchange }) => {
      for (const extra of [EVIL, "\r\n"]) {
        const { seen, answer: given } = await exchange(get(), OK + extra);
        assert.equal(given.text, "ok");
        await seen.connection.waitClosed();
      }
    },
  },
  {
    ...p,
    says: "what follows an answer that came in the middle of an upload is nobody's",
    source: "Go's TestTransportNoReuseAfterEarlyResponse",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 10"], "half "));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(answer("413 Too Much", [], "early") + EVIL);
      await settled();
      client.send("rest."); // some pass an answer on only now
      const given = await client.readResponse();
      assert.ok(given.status === 413 ? given.text === "early" : given.status === 502, given.text);
      await settled();
      assert.equal(client.unread.toString("latin1"), "");
    },
  },
  {
    ...p,
    says: "an idle connection on which the backend says good-bye, or nothing much, is closed at once",
    source: "RFC 9112 §9.5",
    daemonOnly: true,
    run: async ({ exchange }) => {
      for (const bytes of ["\r\n", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"]) {
        const { seen } = await exchange(get());
        seen.connection.send(bytes);
        await seen.connection.waitClosed();
      }
    },
  },
];
