/** Answers that come before the upload has ended: the client gets them at once, and nobody takes the rest for a request. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";

const CHUNKED = "Transfer-Encoding: chunked";
const EARLY = answer("200 OK", [], "early");
/** More than all buffers on the way hold. */
const MORE_THAN_BUFFERS = Buffer.alloc(16 * 2 ** 20, "x");

export const framingEarlyAnswers: readonly Case[] = [
  {
    promise: "framing",
    says: "an answer that comes during an upload by Content-Length reaches the client at once",
    source: "RFC 9112 §9.3.2; Go's ReverseProxy holds it back",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 10"], "hello"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      assert.equal((await client.readResponse()).text, "early");
    },
  },
  {
    promise: "framing",
    says: "an answer that comes during a chunked upload reaches the client at once",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", [CHUNKED], "5\r\nhello\r\n"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      assert.equal((await client.readResponse()).text, "early");
    },
  },
  {
    promise: "framing",
    says: "an upload goes on after its answer, and the connection after both",
    source: "RFC 9112 §9.3.2: the backend reads on",
    daemonOnly: true,
    run: async ({ open, backend, exchange }) => {
      const client = await open();
      client.send(request("POST /", [CHUNKED], "5\r\nhello\r\n"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      assert.equal((await client.readResponse()).text, "early");
      client.send("6\r\n world\r\n0\r\nX-Check: 1\r\n\r\n");
      assert.equal((await seen.body()).toString(), " world");
      assert.deepEqual(seen.trailers, [["X-Check", "1"]]);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "after an early answer the client's connection takes the rest and the next request, or is closed",
    source: "RFC 9112 §9.6",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 10"], "hello"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      await settled();
      backend.respond((next) => answer("200 OK", [], next.target));
      client.send(`world${get("/next")}`);
      assert.equal((await client.readResponse()).text, "early");
      await backend.until("an answer, or the end", () => client.unread.length > 0 || !!client.ending);
      if (client.unread.length > 0) assert.equal((await client.readResponse()).text, "/next");
      await settled();
    },
  },
  {
    promise: "framing",
    says: "an answer and its upload run at the same time, piece by piece",
    source: "RFC 9112 §9.3.2; Go's ReverseProxy does not",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", [CHUNKED]));
      const seen = await backend.request();
      seen.answer(answer("200 OK", [CHUNKED]));
      assert.equal((await client.readHead()).status, 200);
      for (const piece of ["one", "two", "three"]) {
        client.send(`${piece.length}\r\n${piece}\r\n`);
        assert.equal((await seen.readBody(piece.length)).toString(), piece);
        seen.answer(`${piece.length}\r\n${piece}\r\n`);
        await client.readUntil(`${piece}\r\n`);
      }
      client.send("0\r\n\r\n");
      assert.equal((await seen.body()).length, 0);
      seen.answer("0\r\n\r\n");
      await client.readUntil("0\r\n\r\n");
    },
  },
  {
    promise: "framing",
    says: "a refusal that ends the backend's connection reaches a client that is still uploading",
    source: "RFC 9112 §9.6; nginx ticket 1037 and its like",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", [`Content-Length: ${MORE_THAN_BUFFERS.length}`]));
      const seen = await backend.request();
      seen.connection.pause();
      client.send(MORE_THAN_BUFFERS);
      seen.answer(answer("413 Content Too Large", ["Connection: close"], "too large"));
      seen.connection.end();
      const given = await client.readResponse();
      assert.deepEqual([given.status, given.text], [413, "too large"]);
    },
  },
  {
    promise: "framing",
    says: "after a refusal that ended the backend's connection the client's is closed, or takes the rest and more",
    source: "RFC 9112 §9.6",
    run: async ({ open, backend, settled }) => {
      const smuggled = get("/smuggled");
      const client = await open();
      client.send(request("POST /", [`Content-Length: ${5 + smuggled.length}`], "hello"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(answer("413 Content Too Large", ["Connection: close"], "too large")).connection.end();
      await settled();
      backend.respond((next) => answer("200 OK", [], next.target));
      client.send(smuggled + get("/next"));
      assert.equal((await client.readResponse()).text, "too large");
      await backend.until("an answer, or the end", () => client.unread.length > 0 || !!client.ending);
      if (client.unread.length > 0) assert.equal((await client.readResponse()).text, "/next");
      await settled();
    },
  },
  {
    promise: "framing",
    says: "an early answer to an upload that is not finished frees no connection for another request",
    source: "Kettle 2025: 0.CL; RFC 9112 §9.3",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", ["Content-Length: 1000"], "hello"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      for (let i = 0; i < 3; i++) await settled();
      assert.equal(seen.bodyBytes, 5, "another's request was taken for the body");
    },
  },
  {
    promise: "framing",
    says: "what follows an early answer is the upload or nothing, but no request",
    source: "Kettle 2025: 0.CL and early-response gadgets",
    run: async ({ open, backend, settled }) => {
      const smuggled = get("/smuggled");
      const client = await open();
      client.send(request("POST /", [`Content-Length: ${smuggled.length}`]));
      const seen = await backend.request();
      seen.answer(EARLY);
      await settled();
      client.send(smuggled);
      await settled();
      assert.equal(backend.requestsSeen, 1);
      if (seen.isComplete) assert.equal((await seen.body()).toString(), smuggled);
    },
  },
  {
    promise: "framing",
    says: "a client that leaves its upload after an early answer leaves no half request behind",
    source: "RFC 9112 §8",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", [CHUNKED], "5\r\nhello\r\n"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.answer(EARLY);
      await settled();
      client.destroy();
      await seen.connection.waitClosed();
      assert.equal(seen.isComplete, false);
      await settled();
    },
  },
  {
    promise: "framing",
    says: "a client that leaves out the body it was refused, and goes on, has nothing of the next request taken for a request of its own",
    source: "RFC 9110 §10.1.1; curl after a 417",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      const bait = "GET /bait HTTP/1.1\r\nHost: h\r\n\r\n";
      const next = request("POST /two", [`Content-Length: ${bait.length}`], bait);
      // As long as the head of the next one: its body would then be a request.
      const length = `Content-Length: ${next.length - bait.length}`;
      client.send(request("POST /one", ["Expect: 100-continue", length]));
      const seen = await backend.request();
      backend.respond();
      seen.answer(answer("417 Expectation Failed"));
      assert.equal((await client.readResponse()).status, 417);
      client.send(next);
      await settled();
      assert.equal(backend.requests.filter(({ target }) => target === "/bait").length, 0);
    },
  },
];
