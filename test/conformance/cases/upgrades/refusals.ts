/** Cases of the promise "upgrades": backends that do not upgrade, and what follows on the connection. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, type Scene } from "../../case.ts";
import { handshake, openTunnel, readSwitching, SWITCHING } from "../../handshake.ts";

const REFUSALS: readonly (readonly [framing: string, bytes: string])[] = [
  ["of a length", answer("403 Go away", ["X-Why: 1"], "not you")],
  [
    "in chunks",
    `${answer("403 Go away", ["X-Why: 1", "Transfer-Encoding: chunked"])}3\r\nnot\r\n4\r\n you\r\n0\r\n\r\n`,
  ],
  ["up to the end of the connection", "HTTP/1.1 403 Go away\r\nX-Why: 1\r\n\r\nnot you"],
];

/** Bare: what the proxy has read as a request carries its mark. */
const SMUGGLED = get("/smuggled");

/** The next request was read by the proxy, not carried past it. */
async function answerAsRequest({ backend }: Scene): Promise<void> {
  const next = await backend.request();
  assert.equal(next.target, "/smuggled");
  assert.ok(next.field("x-forwarded-for"), "it went past the proxy");
  next.answer(OK);
}

export const refusals: readonly Case[] = [
  ...REFUSALS.map(
    ([framing, bytes]): Case => ({
      promise: "upgrades",
      says: `a refusal with a body ${framing} reaches the client, and the connection goes on`,
      source: "RFC 6455 §4.2.2: any status but 101; RFC 9110 §7.8: an answer like any other",
      run: async (scene) => {
        const client = await scene.open();
        client.send(handshake());
        const seen = await scene.backend.request();
        seen.answer(bytes);
        if (framing.startsWith("up to")) seen.connection.end();
        const refused = await client.readResponse();
        assert.deepEqual([refused.status, refused.header("x-why"), refused.text], [403, "1", "not you"]);
        const mayClose = /close/i.test(refused.header("connection") ?? "") || refused.framing === "close";
        if (mayClose) return await client.waitClosed().then(() => undefined);
        const next = await scene.exchange(get("/next"), OK, { client });
        assert.equal(next.answer.text, "ok");
        await openTunnel(scene, client);
      },
    }),
  ),
  {
    promise: "upgrades",
    says: "after a refused handshake the client's connection stays open",
    source: "this daemon's own promise: browsers and pollers fall back on the same connection",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const refused = await exchange(handshake(), answer("404 Not Found", [], "no"));
      assert.notEqual(refused.answer.header("connection"), "close");
      const { client } = refused;
      assert.equal((await exchange(get("/poll"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "upgrades",
    says: "a challenge to a handshake is passed on, and the next handshake on the connection opens the tunnel",
    source: "RFC 6455 §4.1: 401 and redirects are answers to a handshake",
    run: async ({ open, backend, exchange }) => {
      const challenge = answer("401 Unauthorized", ['WWW-Authenticate: Basic realm="a"'], "who?");
      const refused = await exchange(handshake(), challenge);
      assert.equal(refused.answer.header("www-authenticate"), 'Basic realm="a"');
      const goesOn = refused.answer.header("connection")?.toLowerCase() !== "close";
      const client = goesOn ? refused.client : await open();
      client.send(handshake("/", "Authorization: Basic YTpi"));
      const seen = await backend.request();
      assert.equal(seen.field("authorization"), "Basic YTpi");
      const tunnel = seen.accept(SWITCHING);
      await readSwitching(client);
      client.send("ping");
      await tunnel.readUntil("ping");
    },
  },
  {
    promise: "upgrades",
    says: "426 is passed on with its body; its Upgrade only together with the option that belongs to it",
    source: "RFC 9110 §15.5.22, §7.8",
    run: async ({ exchange }) => {
      const fields = ["Connection: Upgrade", "Upgrade: foo/2", "Sec-WebSocket-Version: 13, 8"];
      const { answer: given } = await exchange(get(), answer("426 Upgrade Required", fields, "foo only"));
      assert.deepEqual([given.status, given.text], [426, "foo only"]);
      assert.equal(given.header("sec-websocket-version"), "13, 8");
      if (given.header("upgrade") !== undefined) assert.match(given.header("connection") ?? "", /upgrade/i);
    },
  },
  {
    promise: "upgrades",
    says: "bytes pipelined behind a handshake that is refused are the next request, read by the proxy",
    source: "WebSocket smuggling (M. Egorov, 2019)",
    run: async (scene) => {
      const client = await scene.open();
      client.send(handshake() + SMUGGLED);
      (await scene.backend.request()).answer(answer("400 Bad Request", [], "no"));
      const refused = await client.readResponse();
      assert.deepEqual([refused.status, refused.text], [400, "no"]);
      if (refused.header("connection")?.toLowerCase() === "close") {
        await client.waitClosed(); // and nothing of the second: the backend would have said so
        return await scene.settled();
      }
      await answerAsRequest(scene);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "upgrades",
    says: "after 426 to a handshake of an unknown version no tunnel stands open to the backend",
    source: "WebSocket smuggling (M. Egorov, 2019): proxies that looked at the request alone",
    run: async (scene) => {
      const asked = handshake().replace("Version: 13", "Version: 1337");
      const versions = ["Sec-WebSocket-Version: 13", "Connection: Upgrade", "Upgrade: websocket"];
      const { client, answer: given } = await scene.exchange(asked, answer("426 Upgrade Required", versions));
      assert.equal(given.status, 426);
      client.send(SMUGGLED);
      if (given.header("connection")?.toLowerCase() === "close") {
        await client.waitClosed();
        return await scene.settled();
      }
      await answerAsRequest(scene);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    promise: "upgrades",
    says: "a backend that closes instead of answering a handshake is 502",
    source: "RFC 9110 §15.6.3; http-proxy #783",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(handshake());
      (await backend.request()).connection.end();
      assert.equal((await client.readResponse()).status, 502);
      await settled();
    },
  },
  {
    promise: "upgrades",
    says: "a 101 to another protocol than the one asked for is a 502, and that connection to the backend ends",
    source: "RFC 9110 §7.8: a server must not switch to a protocol that was not indicated",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const seen = await backend.request();
      seen.answer(SWITCHING.replace(/Upgrade: .*/i, "Upgrade: other/1"));
      assert.equal((await client.readResponse()).status, 502);
      await seen.connection.waitClosed();
    },
  },
];
