/** Cases of the promise "upgrades": what is an upgrade and what is none, and what its handshake carries. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../../case.ts";
import { handshake, readSwitching, SWITCHING, switching, WEBSOCKET_FIELDS } from "../../handshake.ts";

/** Upgrade with a body: whoever takes its bytes for the new protocol lets the client write requests of its own. */
const WITH_BODY: readonly (readonly [what: string, method: string, framing: string, body: string])[] = [
  ["POST with a length", "POST", "Content-Length: 5", "hello"],
  ["POST with chunks", "POST", "Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
  ["GET with a length", "GET", "Content-Length: 5", "hello"],
];

const H2C: readonly (readonly [what: string, protocols: string])[] = [
  ["alone", "h2c"],
  ["in capitals behind another", "foo, H2C"],
];

export const handshakes: readonly Case[] = [
  {
    promise: "upgrades",
    says: "a WebSocket handshake and its 101 keep their own fields, subprotocol and extensions",
    source: "RFC 6455 §4; RFC 9110 §7.8",
    run: async ({ open, backend }) => {
      const client = await open();
      const offered = [
        "Sec-WebSocket-Protocol: chat.v1, chat.v2",
        "Sec-WebSocket-Extensions: permessage-deflate",
      ];
      client.send(handshake("/chat?x=1", "Origin: http://h", ...offered));
      const seen = await backend.request();
      assert.equal(seen.requestLine, "GET /chat?x=1 HTTP/1.1");
      for (const line of [...WEBSOCKET_FIELDS, "Origin: http://h", ...offered].slice(1)) {
        const [name = "", value] = line.split(": ");
        assert.deepEqual(seen.fieldAll(name), [value]);
      }
      assert.match(seen.field("connection") ?? "", /\bupgrade\b/i);
      const chosen = [
        "Sec-WebSocket-Protocol: chat.v2",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      ];
      seen.accept(switching("websocket", ...chosen, "Set-Cookie: a=1", "Set-Cookie: b=2"));
      const head = await client.readHead();
      assert.equal(head.status, 101);
      assert.equal(head.header("upgrade"), "websocket");
      assert.match(head.header("connection") ?? "", /^upgrade$/i);
      for (const line of chosen) assert.equal(head.header(line.split(": ")[0] ?? ""), line.split(": ")[1]);
      assert.deepEqual(head.headerAll("set-cookie"), ["a=1", "b=2"]);
    },
  },
  {
    promise: "upgrades",
    says: "any protocol can be upgraded to, by its own name and version",
    source: "RFC 9110 §7.8; Go's reverseproxy_test; HAProxy's protocol_upgrade.vtc",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get("/", "Connection: Upgrade", "Upgrade: foo/2.1"));
      const seen = await backend.request();
      assert.equal(seen.field("upgrade"), "foo/2.1");
      const tunnel = seen.accept(switching("foo/2.1"));
      assert.equal((await client.readHead()).header("upgrade"), "foo/2.1");
      client.send("ping");
      await tunnel.readUntil("ping");
      tunnel.send("pong");
      await client.readUntil("pong");
    },
  },
  {
    promise: "upgrades",
    says: "upgrade is found among other options of Connection, in any case, over several lines",
    source: "RFC 9110 §7.6.1: options are compared without case; browsers send keep-alive, Upgrade",
    run: async ({ open, backend }) => {
      const client = await open();
      const fields = WEBSOCKET_FIELDS.slice(1);
      client.send(get("/", "Connection: keep-alive", "CONNECTION: x-other ,uPGRADE", ...fields));
      const seen = await backend.request();
      assert.ok(seen.asksForTunnel, seen.head);
      seen.accept(SWITCHING);
      await readSwitching(client);
    },
  },
  {
    promise: "upgrades",
    says: "what Connection names besides upgrade does not pass in a handshake",
    source: "RFC 9110 §7.6.1",
    run: async ({ open, backend }) => {
      const client = await open();
      const fields = WEBSOCKET_FIELDS.slice(1);
      client.send(get("/", "Connection: X-Inner, Upgrade", "X-Inner: 1", "X-Outer: 2", ...fields));
      const seen = await backend.request();
      assert.deepEqual([seen.fieldAll("x-inner"), seen.field("x-outer")], [[], "2"]);
      seen.accept(SWITCHING);
      await readSwitching(client);
    },
  },
  {
    promise: "upgrades",
    says: "what Connection names besides upgrade does not pass in a 101",
    source: "RFC 9110 §7.6.1",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const fields = ["Connection: X-Inner", "X-Inner: 1", "X-Outer: 2"];
      (await backend.request()).accept(switching("websocket", ...fields));
      const head = await client.readHead();
      assert.equal(head.status, 101);
      assert.deepEqual([head.headerAll("x-inner"), head.header("x-outer")], [[], "2"]);
      assert.doesNotMatch(head.headerAll("connection").join(", "), /x-inner/i);
    },
  },
  {
    promise: "upgrades",
    says: "a handshake that is pipelined behind a request waits for that one's answer, and then opens",
    source: "RFC 9112 §9.3.2",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get("/first") + handshake("/second"));
      const first = await backend.request();
      assert.equal(first.target, "/first");
      await settled(); // time enough for one that would be forwarded beside it
      assert.equal(backend.requestsSeen, 1);
      first.answer(OK);
      const second = await backend.request();
      assert.equal(second.target, "/second");
      const tunnel = second.accept(SWITCHING);
      assert.equal((await client.readResponse()).text, "ok");
      await readSwitching(client);
      client.send("ping");
      await tunnel.readUntil("ping");
    },
  },
  {
    promise: "upgrades",
    says: "an interim answer before the 101 is not taken for it",
    source: "RFC 8297; RFC 9110 §7.8: 100 comes before 101",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const seen = await backend.request();
      seen.answer("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
      const tunnel = seen.accept(`${SWITCHING}early`);
      assert.equal((await client.readResponse()).status, 101); // whether the 103 came is another case's question
      await client.readUntil("early");
      client.send("ping");
      await tunnel.readUntil("ping");
    },
  },
  {
    promise: "upgrades",
    says: "a 101 that comes byte by byte opens the tunnel with nothing lost",
    limitMs: 10_000, // a turn of the event loop for each
    source: "RFC 9112 §2.2: a message is bytes, however they come",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const seen = await backend.request();
      for (const byte of SWITCHING.slice(0, -1)) {
        seen.connection.send(byte);
        await new Promise(setImmediate); // a packet each
      }
      const tunnel = seen.accept(`${SWITCHING.slice(-1)}early`);
      await readSwitching(client);
      await client.readUntil("early");
      client.send("ping");
      await tunnel.readUntil("ping");
    },
  },
  {
    promise: "upgrades",
    says: "Upgrade that Connection does not name asks for nothing: it ends at the proxy",
    source: "RFC 9110 §7.8: a sender of Upgrade must also send the option",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(get("/", ...WEBSOCKET_FIELDS.slice(1)));
      assert.ok(!seen.asksForTunnel, `the proxy asked for a tunnel by itself:\n${seen.head}`);
      assert.equal(given.text, "ok");
    },
  },
  {
    promise: "upgrades",
    says: "Upgrade in an HTTP/1.0 request is ignored",
    source: "RFC 9110 §7.8: must be ignored",
    run: async ({ exchange }) => {
      const { seen, answer: given } = await exchange(handshake().replace("HTTP/1.1", "HTTP/1.0"));
      assert.ok(!seen.asksForTunnel, seen.head);
      assert.equal(given.text, "ok");
    },
  },
  ...WITH_BODY.map(
    ([what, method, framing, body]): Case => ({
      promise: "upgrades",
      says: `${what} and Upgrade: the body stays the body, and what follows it the next request`,
      source: "RFC 9110 §7.8: the body comes before the protocol; HAProxy's protocol_upgrade.vtc",
      run: async ({ open, backend }) => {
        const client = await open();
        client.send(
          request(`${method} /upload`, [...WEBSOCKET_FIELDS, framing], body) +
            get("/next", "Connection: close"),
        );
        const seen = await backend.request();
        assert.equal((await seen.body()).toString(), "hello");
        seen.answer(answer("200 OK", [], "whole"));
        assert.equal((await client.readResponse()).text, "whole");
        const next = await backend.request();
        assert.equal(next.target, "/next");
        assert.ok(next.field("x-forwarded-for"), "the proxy did not read it as a request");
        next.answer(OK);
        assert.equal((await client.readResponse()).text, "ok");
      },
    }),
  ),
  ...H2C.map(
    ([what, protocols]): Case => ({
      promise: "upgrades",
      says: `h2c, ${what}, is never asked of the backend: no tunnel goes past the proxy's own rules`,
      source: "h2c smuggling (J. Miller, 2020); golang/go #80416; RFC 9113 §3.1 gives h2c up",
      run: async ({ exchange }) => {
        const settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA";
        const connection = "Connection: Upgrade, HTTP2-Settings";
        const { seen, answer: given } = await exchange(
          get("/", connection, `Upgrade: ${protocols}`, settings),
        );
        assert.doesNotMatch(seen.fieldAll("upgrade").join(", "), /h2/i);
        assert.deepEqual(seen.fieldAll("http2-settings"), []);
        assert.equal(given.text, "ok");
      },
    }),
  ),
  {
    promise: "upgrades",
    says: "a 101 that nobody asked for is an error of the backend: 502, and its connection is closed",
    source: "RFC 9110 §7.8: a server must not switch to what was not asked for; golang/go #80875",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(get());
      const seen = await backend.request();
      const tunnel = seen.accept(`${SWITCHING}smuggled`);
      const { status, text } = await client.readResponse();
      assert.equal(status, 502);
      assert.ok(!text.includes("smuggled"));
      await tunnel.waitClosed();
    },
  },
  {
    promise: "upgrades",
    says: "a 101 that does not say to which protocol is an error of the backend: 502",
    source: "RFC 9110 §15.2.2: Upgrade must be there; Go's reverseproxy_test",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const tunnel = (await backend.request()).accept("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      assert.equal((await client.readResponse()).status, 502);
      await tunnel.waitClosed();
    },
  },
  {
    promise: "upgrades",
    says: "a length in a 101 neither cuts the tunnel short nor reaches the client",
    source: "RFC 9110 §8.6, RFC 9112 §6.1: neither may stand in a 1xx answer",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const seen = await backend.request();
      const tunnel = seen.accept(`${switching("websocket", "Content-Length: 3")}far more than three`);
      const head = await client.readHead();
      if (head.status === 502) return; // strict is fine
      assert.equal(head.status, 101);
      assert.equal(head.header("content-length"), undefined);
      await client.readUntil("far more than three");
      client.send("ping");
      await tunnel.readUntil("ping");
    },
  },
];
