/** Cases of the promise "leaving": a backend that leaves: before its answer, in the middle of it, or for good. */
import assert from "node:assert/strict";
import { parseJsonObject } from "../../../support/http-client.ts";
import { answer, type Case, get, OK, request } from "../../case.ts";
import { LIMITS } from "../../profiles.ts";
import type { SeenRequest } from "../../seen-request.ts";

type Way = "FIN" | "RST";

function leave({ connection }: SeenRequest, way: Way): void {
  if (way === "RST") connection.reset();
  else connection.end();
}

const BEFORE_THE_ANSWER: readonly (readonly [when: string, bytes: string, way: Way])[] = [
  ["without a word (FIN)", "", "FIN"],
  ["without a word (RST)", "", "RST"],
  ["in the middle of the status line", "HTTP/1.1 20", "FIN"],
  ["in the middle of the head", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Ha", "FIN"],
  ["after an interim answer", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", "RST"],
];

interface Break {
  readonly what: string;
  readonly fields: readonly string[];
  /** Of the body: what the client has when it breaks, and what comes together with the break. */
  readonly bytes: string;
  readonly last?: string;
  readonly way: Way;
}

const CHUNKED = ["Transfer-Encoding: chunked"];
const BREAKS: readonly Break[] = [
  { what: "of a length (FIN)", fields: ["Content-Length: 10"], bytes: "part", way: "FIN" },
  { what: "of a length (RST)", fields: ["Content-Length: 10"], bytes: "part", way: "RST" },
  { what: "in chunks (FIN)", fields: CHUNKED, bytes: "4\r\npart\r\n", way: "FIN" },
  { what: "in chunks (RST)", fields: CHUNKED, bytes: "4\r\npart\r\n", way: "RST" },
  {
    what: "in the middle of a chunk (FIN)",
    fields: CHUNKED,
    bytes: "4\r\npart\r\n",
    last: "a\r\nmo",
    way: "FIN",
  },
  { what: "up to the end of the connection (RST)", fields: [], bytes: "part", way: "RST" },
];

const PROBLEMS: readonly (readonly [code: string, what: string, act: (seen: SeenRequest) => unknown])[] = [
  ["BACKEND_CLOSED", "closes", (seen) => leave(seen, "FIN")],
  ["BACKEND_CLOSED", "resets", (seen) => leave(seen, "RST")],
  ["BACKEND_INVALID_ANSWER", "talks another protocol", (seen) => seen.answer("SSH-2.0-OpenSSH\r\n\r\n")],
];

export const backendsThatLeave: readonly Case[] = [
  ...BEFORE_THE_ANSWER.map(
    ([when, bytes, way]): Case => ({
      promise: "leaving",
      says: `a backend that leaves ${when} is 502, and the client's connection is in order`,
      source: "RFC 9110 §15.6.3",
      run: async ({ open, backend, exchange }) => {
        const client = await open();
        client.send(get());
        const seen = await backend.request();
        if (bytes !== "") seen.connection.send(bytes);
        leave(seen, way);
        const given = await client.readResponse();
        assert.equal(given.status, 502);
        if (given.header("connection")?.toLowerCase() === "close" || client.ending !== undefined) return;
        assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
      },
    }),
  ),
  {
    promise: "leaving",
    says: "a backend that resets in the middle of an upload is 502, though the client still sends",
    source: "this daemon's own promise; RFC 9112 §9.6: closing at once would take the answer from the client",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("PUT /", ["Content-Length: 1000000"], "begin"));
      const seen = await backend.request();
      await seen.readBody(5);
      seen.connection.reset();
      client.send(Buffer.alloc(300_000));
      assert.equal((await client.readResponse()).status, 502);
      client.send(Buffer.alloc(300_000));
    },
  },
  {
    promise: "leaving",
    says: "the proxy's own 502 to HEAD has no body, and the connection is in order",
    source: "RFC 9110 §9.3.2",
    run: async ({ open, backend, exchange, settled }) => {
      const client = await open();
      client.send(request("HEAD /"));
      leave(await backend.request(), "FIN");
      const given = await client.readResponse({ method: "HEAD" });
      assert.equal(given.status, 502);
      if (given.header("connection")?.toLowerCase() === "close") await client.waitClosed();
      else {
        const next = await exchange(get("/next"), OK, { client });
        assert.equal(next.answer.text, "ok");
      }
      await settled();
      assert.equal(client.unread.toString("latin1"), "");
    },
  },
  ...BREAKS.flatMap(({ what, fields, bytes, last = "", way }) =>
    (["1.1", "1.0"] as const).map(
      (version): Case => ({
        promise: "leaving",
        says: `an answer that breaks off ${what} breaks off visibly for an HTTP/${version} client`,
        source:
          version === "1.1"
            ? "RFC 9112 §8; nginx-tests proxy_unfinished.t"
            : "RFC 9112 §8: without length and chunks, only an error of the connection tells",
        run: async ({ open, backend }) => {
          const client = await open();
          client.send(`GET / HTTP/${version}\r\nHost: h\r\n\r\n`);
          const seen = await backend.request();
          seen.answer(
            ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", ...fields, "", bytes].join("\r\n"),
          );
          await backend.until("what came to reach the client", () => client.unread.includes("part"));
          seen.connection.send(last);
          leave(seen, way);
          const given = await client.readResponse({ allowBroken: true });
          assert.deepEqual([given.status, given.isComplete], [200, false], "it looks complete");
          assert.ok("partmo".startsWith(given.text), `nothing of the proxy's own: ${given.text}`);
        },
      }),
    ),
  ),
  {
    promise: "leaving",
    says: "when nobody listens the answer is 502 or 503, for any method, and the next is served when somebody does",
    source: "RFC 9110 §15.6",
    limitMs: 10_000,
    run: async ({ open, backend, exchange }) => {
      await backend.stopListening();
      const requests = [get(), request("POST /", ["Content-Length: 5"], "hello")];
      for (const one of requests) {
        const given = await (await open()).send(one).readResponse();
        assert.ok([502, 503].includes(given.status), `${given.status}`);
      }
      await backend.startListening();
      assert.equal((await exchange(get("/next"))).answer.text, "ok");
    },
  },
  ...PROBLEMS.map(
    ([code, what, act]): Case => ({
      promise: "leaving",
      says: `a backend that ${what} is a problem document with its code, and no word of where the backend is`,
      source: "RFC 9457; this daemon's own codes",
      daemonOnly: true,
      run: async ({ open, backend }) => {
        const client = await open();
        client.send(get());
        act(await backend.request());
        const given = await client.readResponse();
        assert.deepEqual([given.status, given.header("content-type")], [502, "application/problem+json"]);
        const problem = parseJsonObject(given.text);
        assert.deepEqual([problem.status, problem.code], [502, code]);
        assert.ok(!given.text.includes(String(backend.port)), given.text);
      },
    }),
  ),
  {
    promise: "leaving",
    says: "a backend that nobody listens at is a problem document with its code, and no word of where it would be",
    source: "RFC 9457; this daemon's own codes",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      await backend.stopListening();
      const given = await (await open()).send(get()).readResponse();
      assert.deepEqual([given.status, given.header("content-type")], [502, "application/problem+json"]);
      assert.equal(parseJsonObject(given.text).code, "BACKEND_CONNECT_FAILED");
      assert.ok(!given.text.includes(String(backend.port)), given.text);
    },
  },
  {
    promise: "leaving",
    says: "an answer that comes after the proxy's own 504 reaches nobody",
    source: "RFC 9110 §15.6.5; response mix-ups",
    profile: "limits",
    needs: "response_timeout",
    run: async ({ open, backend, exchange, settled }) => {
      const client = await open();
      client.send(get("/late"));
      const seen = await backend.request();
      const given = await client.readResponse();
      assert.equal(given.status, 504);
      seen.answer(answer("200 OK", [], "too late"));
      const goesOn = given.header("connection")?.toLowerCase() !== "close" && client.ending === undefined;
      const next = await exchange(get("/next"), OK, goesOn ? { client } : {});
      assert.equal(next.answer.text, "ok");
      await settled();
    },
  },
  {
    promise: "leaving",
    says: "a backend that does not answer in time is a problem document with its code",
    source: "RFC 9457; this daemon's own codes",
    profile: "limits",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      const beginMs = performance.now();
      client.send(get());
      const seen = await backend.request();
      const given = await client.readResponse();
      const tookMs = performance.now() - beginMs;
      assert.ok(tookMs >= LIMITS.responseTimeoutMs, `after ${tookMs.toFixed(0)} ms`);
      assert.deepEqual([given.status, given.header("content-type")], [504, "application/problem+json"]);
      assert.equal(parseJsonObject(given.text).code, "BACKEND_RESPONSE_TIMEOUT");
      await seen.connection.waitClosed();
    },
  },
];
