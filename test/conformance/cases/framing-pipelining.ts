/** Pipelining: requests that are sent before the answer to the last one, and the order of their answers. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";
import type { SeenRequest } from "../seen-request.ts";

const CHUNKED = "Transfer-Encoding: chunked";

/** Says which request it answers. */
async function echo(seen: SeenRequest): Promise<string> {
  const body = (await seen.body()).toString();
  return answer("200 OK", [], seen.method === "HEAD" ? "" : `${seen.target} ${body}`.trim());
}

export const framingPipelining: readonly Case[] = [
  {
    promise: "framing",
    says: "a hundred requests in one packet are answered in their order",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend }) => {
      backend.respond(echo);
      const client = await open();
      const targets = Array.from({ length: 100 }, (_, i) => `/${i}`);
      client.send(targets.map((target) => get(target)).join(""));
      for (const target of targets) assert.equal((await client.readResponse()).text, target);
    },
  },
  {
    promise: "framing",
    says: "requests that come faster than they are answered, by more than any buffer, are all answered",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const slow = Promise.withResolvers<void>();
      backend.respond(async (seen) => {
        await slow.promise;
        return await echo(seen);
      });
      const client = await open();
      const targets = Array.from({ length: 200 }, (_, i) => `/${i}`);
      client.send(targets.map((target) => get(target, `X-A: ${"a".repeat(2_000)}`)).join(""));
      await backend.until("the first request", () => backend.requestsSeen > 0);
      await settled();
      slow.resolve();
      for (const target of targets) assert.equal((await client.readResponse()).text, target);
    },
  },
  {
    promise: "framing",
    says: "an upload larger than any buffer, behind a request that takes its time, arrives whole",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      const body = Buffer.alloc(2 ** 20, "0123456789");
      client.send(get("/slow") + request("POST /upload", [`Content-Length: ${body.length}`]));
      client.send(body);
      const slow = await backend.request();
      await settled();
      slow.answer(OK);
      const upload = await backend.request();
      assert.ok(body.equals(await upload.body()), "the body changed");
      upload.answer(OK);
      for (let i = 0; i < 2; i++) assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "requests with every kind of body in one packet keep their bodies and their order",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend }) => {
      backend.respond(echo);
      const client = await open();
      client.send(
        [
          request("POST /length", ["Content-Length: 5"], "hello"),
          get("/none"),
          request("PUT /chunks", [CHUNKED], "5;a=b\r\nworld\r\n0\r\nX-Check: 1\r\n\r\n"),
          request("POST /zero", ["Content-Length: 0"]),
          request("DELETE /empty", [CHUNKED], "0\r\n\r\n"),
          get("/last"),
        ].join(""),
      );
      for (const text of ["/length hello", "/none", "/chunks world", "/zero", "/empty", "/last"]) {
        assert.equal((await client.readResponse()).text, text);
      }
    },
  },
  {
    promise: "framing",
    says: "a quick answer waits for the slow one before it",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const slow = Promise.withResolvers<void>();
      backend.respond(async (seen) => {
        if (seen.target === "/slow") await slow.promise;
        return await echo(seen);
      });
      const client = await open();
      client.send(get("/slow") + get("/quick"));
      await backend.until("the slow request", () => backend.requestsSeen > 0);
      await settled(); // time enough for one that would be forwarded beside it
      assert.equal(client.unread.length, 0);
      slow.resolve();
      for (const target of ["/slow", "/quick"]) assert.equal((await client.readResponse()).text, target);
    },
  },
  {
    promise: "framing",
    says: "an answer waits for the end of the one before it, however long that streams",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get("/stream") + get("/next"));
      const stream = await backend.request();
      backend.respond(echo);
      stream.answer(answer("200 OK", [CHUNKED], "5\r\nhello\r\n"));
      await client.readUntil("hello\r\n");
      await settled();
      assert.equal(client.unread.length, 0);
      stream.answer("0\r\n\r\n");
      assert.equal(await client.readUntil("0\r\n\r\n"), "0\r\n\r\n");
      assert.equal((await client.readResponse()).text, "/next");
    },
  },
  {
    promise: "framing",
    says: "a request behind a HEAD is answered behind it",
    source: "RFC 9112 §6.3, rule 1",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("HEAD /head") + get("/next"));
      (await backend.request()).answer(answer("200 OK", ["Content-Length: 1234"]));
      assert.equal((await client.readResponse({ method: "HEAD" })).status, 200);
      const next = await backend.request();
      next.answer(await echo(next));
      assert.equal((await client.readResponse()).text, "/next");
    },
  },
  {
    promise: "framing",
    says: "a request in the last packet of an upload waits for the upload's answer",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(request("POST /", [CHUNKED], "5\r\nhello\r\n"));
      const upload = await backend.request();
      await upload.readBody(5);
      client.send(`6\r\n world\r\n0\r\n\r\n${get("/next")}`);
      assert.equal((await upload.body()).toString(), " world");
      backend.respond(echo);
      await settled();
      assert.equal(client.unread.length, 0);
      upload.answer(answer("200 OK", [], "uploaded"));
      for (const text of ["uploaded", "/next"]) assert.equal((await client.readResponse()).text, text);
    },
  },
  {
    promise: "framing",
    says: "a request that begins in one packet with the one before it and ends in the next is answered",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      backend.respond(echo);
      const client = await open();
      const next = get("/next");
      client.send(get("/first") + next.slice(0, 9));
      assert.equal((await client.readResponse()).text, "/first");
      await settled();
      client.send(next.slice(9));
      assert.equal((await client.readResponse()).text, "/next");
    },
  },
  {
    promise: "framing",
    says: "a malformed request behind a good one is refused after the good one's answer, and ends the connection",
    source: "RFC 9112 §9.3.2, §2.2",
    run: async ({ open, backend, settled }) => {
      backend.respond(echo);
      const client = await open();
      client.send(`${get("/good")}BAD\x00REQUEST\r\n\r\n${get("/smuggled")}`);
      assert.equal((await client.readResponse()).text, "/good");
      assert.equal((await client.readResponse()).status, 400);
      await client.waitClosed();
      await settled();
      assert.deepEqual(
        backend.requests.map(({ target }) => target),
        ["/good"],
      );
    },
  },
  {
    promise: "framing",
    says: "a malformed request behind one that is still being answered cuts nothing off that answer",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(`${get("/good")}GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n`);
      const seen = await backend.request();
      seen.answer(answer("200 OK", [CHUNKED], "5\r\nhello\r\n"));
      await client.readUntil("hello\r\n");
      await settled();
      seen.answer("5\r\nworld\r\n0\r\n\r\n");
      await client.readUntil("world\r\n0\r\n\r\n");
      assert.equal((await client.readResponse()).status, 400);
      await client.waitClosed();
    },
  },
  {
    promise: "framing",
    says: "nothing behind a request with Connection: close is looked at",
    source: "RFC 9112 §9.6: MUST NOT",
    run: async ({ exchange, backend, settled }) => {
      const { client, answer: given } = await exchange(get("/", "Connection: close") + get("/smuggled"), OK);
      assert.match(given.headerAll("connection").join(), /close/i);
      await client.waitClosed();
      await settled();
      assert.equal(backend.requestsSeen, 1);
      assert.equal(client.unread.length, 0);
    },
  },
  {
    promise: "framing",
    says: "close is found in Connection in any case, among others and in a second field",
    source: "RFC 9110 §7.6.1, §5.3",
    run: async ({ exchange }) => {
      for (const fields of [["Connection: x-a ,CLOSE"], ["Connection: keep-alive", "Connection: Close"]]) {
        const { client } = await exchange(get("/", ...fields), OK);
        await client.waitClosed();
      }
    },
  },
  {
    promise: "framing",
    says: "a client may send its next request while the answer before it is still on its way",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get("/first"));
      const first = await backend.request();
      first.answer(answer("200 OK", [CHUNKED], "5\r\nhello\r\n"));
      await client.readUntil("hello\r\n");
      client.send(request("POST /second", ["Content-Length: 4"], "body"));
      backend.respond(echo);
      first.answer("5\r\nworld\r\n0\r\n\r\n");
      await client.readUntil("world\r\n0\r\n\r\n");
      assert.equal((await client.readResponse()).text, "/second body");
    },
  },
];
