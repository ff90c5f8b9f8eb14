/** Interim (1xx) answers: they pass as they come, they are never the answer itself, and `Expect` is the backend's to meet. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n";
const EXPECTING = request("POST /", ["Expect: 100-continue", "Content-Length: 5"]);

export const framingInterim: readonly Case[] = [
  {
    promise: "framing",
    says: "103 reaches the client before its answer does, with its fields",
    source: "RFC 9110 §15.2: a proxy MUST forward 1xx; RFC 8297",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(HINTS);
      const hints = await client.readHead();
      assert.equal(hints.status, 103);
      assert.deepEqual(hints.headerAll("link"), ["</a.css>; rel=preload", "</b.js>; rel=preload"]);
      seen.answer(OK);
      const given = await client.readResponse();
      assert.equal(given.text, "ok");
      assert.equal(given.header("link"), undefined, "a hint is no part of the answer");
    },
  },
  {
    promise: "framing",
    says: "several interim answers pass in their order, unknown ones too",
    source: "RFC 9110 §15.2",
    run: async ({ exchange }) => {
      const interim = [102, 103, 103, 199].map((status, i) => `HTTP/1.1 ${status} Wait\r\nX-N: ${i}\r\n\r\n`);
      const { answer: given } = await exchange(get(), interim.join("") + OK);
      const came = given.interim.map(({ status, headers }) => [
        status,
        headers.find(([name]) => name.toLowerCase() === "x-n")?.[1],
      ]);
      assert.deepEqual(came, [
        [102, "0"],
        [103, "1"],
        [103, "2"],
        [199, "3"],
      ]);
      assert.equal(given.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an interim answer that nobody asked for is not the answer, nor is the next one off by one",
    source: "RFC 9110 §15.2; undici and http-proxy issues of answers that are one behind",
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(get(), CONTINUE + HINTS + OK);
      assert.deepEqual([given.status, given.text], [200, "ok"]);
      const next = await exchange(get("/next"), answer("200 OK", [], "next"), { client });
      assert.equal(next.answer.text, "next");
    },
  },
  {
    promise: "framing",
    says: "an interim answer with a Content-Length has no body all the same",
    source: "RFC 9112 §6.3, rule 1",
    run: async ({ exchange }) => {
      const hints = HINTS.replace("\r\n\r\n", `\r\nContent-Length: ${OK.length}\r\n\r\n`);
      const { answer: given } = await exchange(get(), hints + OK);
      assert.deepEqual([given.status, given.text], [200, "ok"]);
      for (const { headers } of given.interim) {
        const framing = headers.filter(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
        assert.deepEqual(framing, [], "RFC 9110 §8.6, RFC 9112 §6.1: MUST NOT");
      }
    },
  },
  {
    promise: "framing",
    says: "what ends at this hop ends there in an interim answer too",
    source: "RFC 9110 §7.6.1",
    run: async ({ exchange }) => {
      const hop =
        "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n\r\n";
      const { answer: given } = await exchange(get(), hop + OK);
      const names = given.interim.flatMap(({ headers }) => headers.map(([name]) => name.toLowerCase()));
      for (const name of ["connection", "x-hop", "keep-alive"]) assert.ok(!names.includes(name), name);
      assert.equal(given.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an interim answer and then the connection's end is no answer: it becomes a 502",
    source: "RFC 9110 §15.2, §15.6.3",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(HINTS).connection.end();
      const given = await client.readResponse();
      assert.equal(given.status, 502);
    },
  },
  {
    promise: "framing",
    says: "an interim answer before that to HEAD leaves it without a body",
    source: "RFC 9112 §6.3, rule 1",
    run: async ({ exchange }) => {
      const head = answer("200 OK", ["Content-Length: 9"]);
      const { client, answer: given } = await exchange(request("HEAD /"), HINTS + head, { method: "HEAD" });
      assert.equal(given.status, 200);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an upload waits for the backend's 100 Continue, and goes on with it",
    source: "RFC 9110 §10.1.1: a proxy MUST forward the request, or answer by a final status",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(EXPECTING);
      const seen = await backend.request();
      assert.match(seen.field("expect") ?? "", /^100-continue$/i);
      await settled();
      assert.equal(client.unread.toString("latin1"), "", "the backend has not said a word yet");
      seen.answer(CONTINUE);
      assert.equal((await client.readHead()).status, 100);
      client.send("hello");
      assert.equal((await seen.body()).toString(), "hello");
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "a backend that meets an expectation with its final answer is never told by the proxy to go on",
    source: "RFC 9110 §10.1.1",
    run: async ({ exchange }) => {
      const refusal = answer("417 Expectation Failed", [], "no");
      const { answer: given } = await exchange(EXPECTING, refusal);
      assert.deepEqual([given.status, given.text, given.interim], [417, "no", []]);
    },
  },
  {
    promise: "framing",
    says: "a refused expectation leaves no connection on which another client's request is taken for the body",
    source: "CVE-2024-24791 (Go)",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(EXPECTING);
      const seen = await backend.request();
      seen.answer(answer("413 Content Too Large", [], "no"));
      assert.equal((await client.readResponse()).status, 413);
      for (let i = 0; i < 3; i++) await settled();
      assert.equal(seen.bodyBytes, 0);
    },
  },
  {
    promise: "framing",
    says: "what a client sends after a refused expectation is the body or nothing, but no request",
    source: "RFC 9110 §10.1.1; Kettle 2025: 0.CL by Expect",
    run: async ({ open, backend, settled }) => {
      const smuggled = get("/smuggled");
      const client = await open();
      client.send(request("POST /", ["Expect: 100-continue", `Content-Length: ${smuggled.length}`]));
      const seen = await backend.request();
      seen.answer(answer("417 Expectation Failed", [], "no"));
      await client.readResponse();
      client.send(smuggled);
      await settled();
      assert.equal(backend.requestsSeen, 1);
      assert.equal(client.unread.toString("latin1"), "", "nothing else was asked");
    },
  },
  {
    promise: "framing",
    says: "a client that expects 100 Continue and does not wait for it is served",
    source: "RFC 9110 §10.1.1: it need not wait",
    run: async ({ open, backend, exchange }) => {
      const client = await open();
      client.send(`${EXPECTING}hello`);
      const seen = await backend.request();
      assert.equal((await seen.body()).toString(), "hello");
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "a backend that ignores an expectation gets the body as soon as the client sends it",
    source: "RFC 9110 §10.1.1: a client does not wait for ever",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(EXPECTING);
      const seen = await backend.request();
      client.send("hello");
      assert.equal((await seen.body()).toString(), "hello");
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "100 Continue goes to the request that waits for it, not to the one before it",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get("/first") + EXPECTING);
      (await backend.request()).answer(OK);
      const first = await client.readResponse();
      assert.deepEqual([first.text, first.interim], ["ok", []]);
      const second = await backend.request();
      second.answer(CONTINUE);
      assert.equal((await client.readHead()).status, 100);
      client.send("hello");
      assert.equal((await second.body()).toString(), "hello");
      second.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "framing",
    says: "an interim answer in one packet with the head of the final one takes nothing off its body",
    source: "RFC 9112 §2.2: a stream of octets",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      seen.answer(HINTS + answer("200 OK", ["Transfer-Encoding: chunked"]));
      await settled();
      seen.answer("5\r\nhello\r\n0\r\n\r\n");
      assert.equal((await client.readResponse()).text, "hello");
    },
  },
];
