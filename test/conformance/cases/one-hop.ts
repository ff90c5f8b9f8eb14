/** Cases of the promise "hop-by-hop": Connection, and what is for this connection alone. */
import assert from "node:assert/strict";
import { answer, type Case, get, request } from "../case.ts";

/** A client that names what the proxy adds must not have it taken out. */
const NOT_STRIPPED: readonly (readonly [name: string, daemonOnly: boolean])[] = [
  ["X-Forwarded-Proto", false],
  ["X-Forwarded-Host", false],
  ["Forwarded", true],
  ["X-Real-IP", true],
];

export const oneHop: readonly Case[] = [
  ...NOT_STRIPPED.map(
    ([name, daemonOnly]): Case => ({
      promise: "hop-by-hop",
      says: `a client that names ${name} in Connection does not strip the proxy's own`,
      source: "CVE-2024-45410 (Traefik), CVE-2022-31813 (httpd)",
      daemonOnly,
      run: async ({ exchange }) => {
        const { seen } = await exchange(get("/", `Connection: ${name}, close`, `${name}: spoofed`));
        assert.equal(seen.fieldAll(name).length, 1);
        assert.doesNotMatch(seen.field(name) ?? "", /spoofed/);
      },
    }),
  ),
  {
    promise: "hop-by-hop",
    says: "a list in Connection with empty elements and tabs is read to its end",
    source: "RFC 9110 §5.6.1.2; Go's TestReverseProxyStripEmptyConnection",
    run: async ({ exchange }) => {
      const line = "Connection: ,\t, x-one\t,,\tX-Two ,";
      const own = ["X-One: 1", "X-Two: 2", "X-Three: 3"];
      const { seen, answer: given } = await exchange(
        get("/", "Connection:", line, ...own),
        answer("200 OK", ["Connection:", line, ...own], "ok"),
      );
      for (const name of ["x-one", "x-two"]) {
        assert.deepEqual([seen.field(name), given.header(name)], [undefined, undefined]);
      }
      assert.deepEqual([seen.field("x-three"), given.header("x-three")], ["3", "3"]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "Connection itself does not pass, in either direction",
    source: "RFC 9110 §7.6.1",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(
        get("/", "Connection: x-inner"),
        answer("200 OK", ["Connection: x-inner"], "ok"),
      );
      assert.doesNotMatch(seen.fieldAll("connection").join(), /x-inner/i);
      assert.doesNotMatch(given.headerAll("connection").join(), /x-inner/i);
    },
  },
  {
    promise: "hop-by-hop",
    says: "a name in Connection takes away whole names only",
    source: "RFC 9110 §7.6.1",
    run: async ({ exchange }) => {
      const own = ["X-Ab: 1", "X-A-B: 2", "A: 3"];
      const { seen } = await exchange(get("/", "Connection: x-a, b, keep", ...own));
      assert.deepEqual(
        own.map((line) => seen.field(line.split(":")[0] ?? "")),
        ["1", "2", "3"],
      );
    },
  },
  {
    promise: "hop-by-hop",
    says: "naming Content-Length in the Connection of an answer does not change its body",
    source: "RFC 9110 §7.6.1; RFC 9112 §6",
    run: async ({ open, exchange }) => {
      const client = await open();
      const named = answer("200 OK", ["Connection: content-length, x-a", "X-A: 1"], "body");
      const first = await exchange(get(), named, { client });
      assert.deepEqual([first.answer.text, first.answer.header("x-a")], ["body", undefined]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "naming Content-Type in Connection does not take it away",
    source: "RFC 9110 §7.6.1: not for fields that are meant for all recipients",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const fields = ["Connection: content-type", "Content-Type: text/x", "Content-Length: 2"];
      const { seen } = await exchange(request("POST /", fields, "hi"));
      assert.equal(seen.field("content-type"), "text/x");
    },
  },
  {
    promise: "hop-by-hop",
    says: "a client's Connection: close is not the backend's: its connection serves the next request",
    source: "RFC 9110 §7.6.1; a backend behind 1,000 short clients sees few connections",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "Connection: close"));
      assert.deepEqual(seen.fieldAll("connection"), []);
      const next = await exchange(get("/", "Connection: close"));
      assert.ok(next.seen.connection === seen.connection, "another connection");
    },
  },
  {
    promise: "hop-by-hop",
    says: "an answer's Upgrade without a 101 does not reach the client",
    source: "RFC 9110 §7.6.1, §7.8",
    run: async ({ exchange }) => {
      const fields = ["Upgrade: h2, h2c", "Connection: Upgrade"];
      const { answer: given } = await exchange(get(), answer("200 OK", fields, "ok"));
      assert.deepEqual(given.headerAll("upgrade"), []);
    },
  },
  {
    promise: "hop-by-hop",
    says: "of TE nothing but trailers reaches the backend, and Connection names it then",
    source: "RFC 9110 §10.1.4; Go's ReverseProxy keeps trailers",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "TE: gzip;q=0.5, trailers, deflate", "Connection: TE"));
      const te = seen.fieldAll("te");
      assert.deepEqual(te, te.length === 0 ? [] : ["trailers"]);
      if (te.length > 0) assert.match(seen.fieldAll("connection").join(), /\bte\b/i);
    },
  },
  {
    promise: "hop-by-hop",
    says: "TE: trailers is passed on, for the backend to send some",
    source: "RFC 9110 §6.5.1; gRPC needs it",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "TE: trailers", "Connection: TE"));
      assert.deepEqual([seen.fieldAll("te"), seen.fieldAll("connection")], [["trailers"], ["TE"]]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "what is between a client and its proxy does not reach the backend",
    source: "RFC 9110 §11.7; httpoxy (CVE-2016-5385)",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const own = ["Proxy-Authorization: Basic dTpw", "Proxy: http://other.test", "HTTP2-Settings: AAMAAABk"];
      const { seen } = await exchange(get("/", ...own));
      for (const line of own) assert.deepEqual(seen.fieldAll(line.slice(0, line.indexOf(":"))), []);
    },
  },
  {
    promise: "hop-by-hop",
    says: "a backend cannot ask a client for its proxy's password",
    source: "RFC 9110 §11.7.1: Proxy-Authenticate is for the next client alone",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { answer: given } = await exchange(get(), answer("407 No", ["Proxy-Authenticate: Basic"], "no"));
      assert.deepEqual([given.status, given.headerAll("proxy-authenticate")], [407, []]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "a trailer that Connection names does not pass, in either direction",
    source: "RFC 9110 §7.6.1: header or trailer fields",
    run: async ({ open, backend }) => {
      const client = await open();
      const fields = ["Connection: X-Inner", "Transfer-Encoding: chunked"];
      const body = "4\r\nbody\r\n0\r\nX-Inner: 1\r\nX-Outer: 2\r\n\r\n";
      client.send(request("POST /", fields, body));
      const seen = await backend.request();
      await seen.body();
      seen.answer(answer("200 OK", fields, body));
      const given = await client.readResponse();
      assert.equal(given.text, "body");
      for (const [name] of [...seen.trailers, ...given.trailers])
        assert.notEqual(name.toLowerCase(), "x-inner");
    },
  },
  ...["OPTIONS", "TRACE"].map(
    (method): Case => ({
      promise: "hop-by-hop",
      says: `${method} with Max-Forwards: 0 is answered by the proxy, and without secrets`,
      source: "RFC 9110 §7.6.2, §9.3.8",
      run: async ({ open, backend, settled }) => {
        const client = await open();
        client.send(
          request(`${method} /last`, ["Max-Forwards: 0", "X-Seen: 1", "Authorization: Basic c2VjcmV0"]),
        );
        const given = await client.readResponse();
        assert.ok(given.status < 500, `${given.status}`);
        assert.ok(!given.text.includes("c2VjcmV0"));
        if (given.header("content-type") === "message/http")
          assert.match(given.text, /^TRACE \/last .*X-Seen: 1/s);
        await settled();
        assert.equal(backend.requests.filter(({ target }) => target === "/last").length, 0);
      },
    }),
  ),
  ...["OPTIONS", "TRACE"].map(
    (method): Case => ({
      promise: "hop-by-hop",
      says: `${method} with Max-Forwards: 0 and no Host is refused like any other`,
      source: "RFC 9112 §3.2",
      run: async ({ open }) => {
        const client = await open();
        client.send(`${method} /last HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n`);
        assert.equal((await client.readResponse()).status, 400);
      },
    }),
  ),
  {
    promise: "hop-by-hop",
    says: "Max-Forwards of OPTIONS is one less at the backend, and that of GET is left alone",
    source: "RFC 9110 §7.6.2",
    run: async ({ exchange }) => {
      const counted = await exchange(request("OPTIONS /", ["Max-Forwards: 10"]));
      assert.equal(counted.seen.field("max-forwards"), "9");
      const left = await exchange(get("/", "Max-Forwards: 0"));
      assert.equal(left.seen.field("max-forwards"), "0");
    },
  },
];
