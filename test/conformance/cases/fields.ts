/** Cases of the promise "bytes": fields and status lines, both ways. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK } from "../case.ts";

const TOKEN = "!#$%&'*+-.^_`|~0aZ";

/** What a proxy says of itself and of the client; everything else is the client's. */
const ADDED_TO_REQUEST =
  /^(host|connection|keep-alive|via|forwarded|x-forwarded-(for|proto|host|port|server)|x-real-ip)$/i;
/** RFC 9110 §6.6.1 and §7.6.3, and what is of the connection. */
const ADDED_TO_ANSWER = /^(date|via|server|connection|keep-alive|content-length)$/i;

export const fields: readonly Case[] = [
  {
    promise: "bytes",
    says: "nothing is added to a request but who the client and the proxy are",
    source: "RFC 9110 §7.7; Go's transport adds User-Agent and Accept-Encoding",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get());
      assert.deepEqual(
        seen.names.filter((name) => !ADDED_TO_REQUEST.test(name)),
        [],
      );
    },
  },
  {
    promise: "bytes",
    says: "nothing is added to an answer: no Content-Type, no caching",
    source: "RFC 9110 §8.3; caddyserver/caddy#719, golang/go#8992: it was sniffed",
    run: async ({ exchange }) => {
      const { answer: given } = await exchange(get(), answer("200 OK", [], "<html>"));
      const names = given.headers.map(([name]) => name);
      assert.deepEqual(
        names.filter((name) => !ADDED_TO_ANSWER.test(name)),
        [],
      );
    },
  },
  {
    promise: "bytes",
    says: "a request's fields that others act on pass as they came",
    source: "RFC 9110 §10.1, §11.6.2, §13.1, §14.2; RFC 6265 §4.2",
    run: async ({ exchange }) => {
      const own = [
        "User-Agent: a/1 (b; c)",
        "Accept-Encoding: gzip;q=0.5, br, identity;q=0",
        "Authorization: Basic dTpw",
        'Cookie: a=1; b="2"; c',
        "Range: bytes=0-0,-1",
        'If-None-Match: W/"x", "y"',
        "Cache-Control: no-cache",
        "Origin: null",
        "From: a@b.test",
      ];
      const { seen } = await exchange(get("/", ...own));
      const lines = seen.head.split("\r\n").map((line) => line.toLowerCase());
      for (const line of own) assert.ok(lines.includes(line.toLowerCase()), `${line} in ${seen.head}`);
    },
  },
  {
    promise: "bytes",
    says: "a name of every character that a token may hold passes in both directions",
    source: "RFC 9110 §5.1, §5.6.2: unknown fields are forwarded",
    run: async ({ exchange }) => {
      const line = `${TOKEN}: 1`;
      const { seen, answer: given } = await exchange(get("/", line), answer("200 OK", [line], "ok"));
      assert.deepEqual([seen.field(TOKEN), given.header(TOKEN)], ["1", "1"]);
    },
  },
  {
    promise: "bytes",
    says: "white space around a value goes, white space within it stays",
    source: "RFC 9112 §5.1",
    run: async ({ exchange }) => {
      const line = "X-A: \t a \t b,  c\t ";
      const { seen, answer: given } = await exchange(get("/", line), answer("200 OK", [line], "ok"));
      assert.deepEqual([seen.field("x-a"), given.header("x-a")], ["a \t b,  c", "a \t b,  c"]);
    },
  },
  {
    promise: "bytes",
    says: "a value of every byte that may stand in one passes in both directions",
    source: "RFC 9110 §5.5: field-vchar and obs-text",
    run: async ({ exchange }) => {
      const codes = Array.from({ length: 256 }, (_, code) => code).filter(
        (code) => code > 0x20 && code !== 0x7f,
      );
      const value = String.fromCharCode(...codes);
      const line = `X-All: ${value}`;
      const { seen, answer: given } = await exchange(get("/", line), answer("200 OK", [line], "ok"));
      assert.deepEqual([seen.field("x-all"), given.header("x-all")], [value, value]);
    },
  },
  {
    promise: "bytes",
    says: "a value of 7 KiB passes",
    source: "RFC 9110 §5.4; nginx's buffers are 8 KiB, Go and Node.js take more",
    run: async ({ exchange }) => {
      const value = "v".repeat(7 * 1024);
      const { seen } = await exchange(get("/", `X-Long: ${value}`));
      assert.equal(seen.field("x-long"), value);
    },
  },
  {
    promise: "bytes",
    says: "the backend's fields keep their case and their order",
    source: "RFC 9110 §5.3",
    run: async ({ exchange }) => {
      const own = ["x-b: 1", "X-a: 2", 'ETAG: "3"', "x-B: 4", "Content-Length: 2", "VARY: 5", "Vary: 6"];
      const { answer: given } = await exchange(get(), answer("200 OK", own, "ok"));
      const lines = given.headers.map(([name, value]) => `${name}: ${value}`);
      assert.deepEqual(
        lines.filter((line) => /^(x-|etag|vary)/i.test(line)),
        own.filter((line) => !line.startsWith("Content")),
      );
    },
  },
  {
    promise: "bytes",
    says: "Date and Server of the backend are kept",
    source: "RFC 9110 §6.6.1, §10.2.4",
    run: async ({ exchange }) => {
      const own = ["Date: Tue, 15 Nov 1994 08:12:31 GMT", "Server: backend/1 (x)"];
      const { answer: given } = await exchange(get(), answer("200 OK", own, "ok"));
      assert.deepEqual(given.headerAll("date"), ["Tue, 15 Nov 1994 08:12:31 GMT"]);
      assert.deepEqual(given.headerAll("server"), ["backend/1 (x)"]);
    },
  },
  {
    promise: "bytes",
    says: "an answer without Date gets one on its way",
    source: "RFC 9110 §6.6.1: a recipient with a clock must add it",
    run: async ({ exchange }) => {
      const { answer: given } = await exchange(get());
      const [date = "", ...more] = given.headerAll("date");
      assert.deepEqual(more, []);
      assert.ok(Math.abs(Date.parse(date) - Date.now()) < 5_000, `Date: ${date}`);
    },
  },
  {
    promise: "bytes",
    says: "a Location that names the backend's own address is not rewritten",
    source: "RFC 9110 §10.2.2; not without being told to, as ProxyPassReverse is",
    run: async ({ exchange, backend }) => {
      const location = `http://127.0.0.1:${backend.port}/a?b#c`;
      const { answer: given } = await exchange(get(), answer("302 Found", [`Location: ${location}`]));
      assert.deepEqual([given.status, given.header("location")], [302, location]);
    },
  },
  {
    promise: "bytes",
    says: "a status that nobody has registered passes",
    source: "RFC 9110 §15: known by its class",
    run: async ({ exchange }) => {
      for (const status of ["299", "499", "599"]) {
        const { answer: given } = await exchange(get(), answer(`${status} Own`, [], "ok"));
        assert.deepEqual([given.status, given.text], [Number(status), "ok"]);
      }
    },
  },
  {
    promise: "bytes",
    says: "an error of the backend passes with its body, not the proxy's page",
    source: "RFC 9110 §15.6",
    run: async ({ exchange }) => {
      for (const status of ["404 Not Found", "500 Internal Server Error", "502 Bad Gateway", "503 Later"]) {
        const given = await exchange(get(), answer(status, ["Retry-After: 7", "Content-Type: x/y"], "mine"));
        assert.equal(given.answer.status, Number(status.slice(0, 3)));
        assert.deepEqual(
          [given.answer.text, given.answer.header("retry-after"), given.answer.header("content-type")],
          ["mine", "7", "x/y"],
        );
      }
    },
  },
  {
    promise: "bytes",
    says: "a reason phrase passes as it came, latin-1 too",
    source: "RFC 9112 §4 allows to overwrite it",
    daemonOnly: true,
    run: async ({ exchange }) => {
      for (const reason of ["OK then", "\xdcber \t all", ""]) {
        const { answer: given } = await exchange(get(), answer(`200 ${reason}`, [], "ok"));
        assert.equal(given.reason, reason);
      }
    },
  },
  {
    promise: "bytes",
    says: "a status line of HTTP/1.0 becomes one of HTTP/1.1",
    source: "RFC 9110 §2.5, RFC 9112 §2.3: a proxy sends its own version",
    run: async ({ exchange }) => {
      const { answer: given } = await exchange(get(), OK.replace("HTTP/1.1", "HTTP/1.0"));
      assert.deepEqual([given.httpVersion, given.text], ["1.1", "ok"]);
    },
  },
];
