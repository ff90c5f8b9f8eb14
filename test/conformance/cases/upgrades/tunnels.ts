/** Cases of the promise "upgrades": the bytes in a tunnel, and its end. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Case, get, type Scene } from "../../case.ts";
import { fill, floodWhileNobodyReads } from "../../flood.ts";
import { handshake, type OpenTunnel, openTunnel, readSwitching, SWITCHING } from "../../handshake.ts";
import { LIMITS } from "../../profiles.ts";
import { promptly } from "../../promptly.ts";

const FLOOD_LIMIT_MS = 15_000;
const CYCLES = 60;

type Side = "client" | "backend";
const other = (side: Side): Side => (side === "client" ? "backend" : "client");

/** Resolves when neither side of the proxy holds these any more. */
async function gone({ backend }: Scene, ...opened: readonly OpenTunnel[]): Promise<void> {
  const isGone = ({ seen, client }: OpenTunnel): boolean =>
    seen.connection.ending !== undefined && client.ending !== undefined;
  await backend.until("every tunnel to be gone", () => opened.every(isGone));
}

async function ping({ client, backend }: OpenTunnel): Promise<void> {
  client.send("ping");
  await backend.readUntil("ping");
  backend.send("pong");
  await client.readUntil("pong");
}

/** Each side in turn leaves first, in each way. */
const ENDS = [
  ["client", "FIN"],
  ["backend", "FIN"],
  ["client", "RST"],
  ["backend", "RST"],
] as const;

export const tunnels: readonly Case[] = [
  {
    promise: "upgrades",
    says: "what the client sends right behind its handshake reaches the backend, in front of the rest",
    source: "golang/go #80875, elazarl/goproxy #801: lost; RFC 9110 §7.8 lets a client be that eager",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(`${handshake()}early, `);
      const tunnel = (await backend.request()).accept(SWITCHING);
      await readSwitching(client);
      client.send("late");
      assert.equal((await tunnel.readBytes(11)).toString(), "early, late");
    },
  },
  {
    promise: "upgrades",
    says: "what the backend sends right behind its 101 reaches the client, in front of the rest",
    source: "RFC 6455 §4.2.2: the server may send at once",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(handshake());
      const tunnel = (await backend.request()).accept(`${SWITCHING}early, `);
      await readSwitching(client);
      tunnel.send("late");
      assert.equal((await client.readBytes(11)).toString(), "early, late");
    },
  },
  {
    promise: "upgrades",
    says: "40 KiB in the first packets of both sides cross, whole and in order",
    source: "more than any buffer for a head",
    run: async ({ open, backend }) => {
      const [up, down] = [randomBytes(40 * 1024), randomBytes(40 * 1024)];
      const client = await open();
      client.send(Buffer.concat([Buffer.from(handshake()), up]));
      const tunnel = (await backend.request()).accept(Buffer.concat([Buffer.from(SWITCHING), down]));
      await readSwitching(client);
      assert.ok((await client.readBytes(down.length)).equals(down), "down");
      assert.ok((await tunnel.readBytes(up.length)).equals(up), "up");
    },
  },
  {
    promise: "upgrades",
    says: "bytes in a tunnel that look like HTTP are bytes, both ways",
    source: "RFC 9110 §7.8: the connection speaks another protocol",
    run: async (scene) => {
      const tunnel = await openTunnel(scene);
      const { client, backend } = tunnel;
      const sent = `${get("/looks-like", "Connection: close", "X-Forwarded-For: 1")}\r\n\0\xff`;
      client.send(sent);
      assert.equal((await backend.readBytes(sent.length)).toString("latin1"), sent);
      const answered = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n\r\n\0\xff";
      backend.send(answered);
      assert.equal((await client.readBytes(answered.length)).toString("latin1"), answered);
      await ping(tunnel);
    },
  },
  {
    promise: "upgrades",
    says: "2 MiB each way at the same time cross unchanged, and other requests go on beside them",
    source: "RFC 6455 §1.2: both sides may send at will",
    run: async (scene) => {
      const { client, backend } = await openTunnel(scene);
      const [up, down] = [randomBytes(2 * 2 ** 20), randomBytes(2 * 2 ** 20)];
      client.send(up);
      backend.send(down);
      await scene.settled();
      const [atBackend, atClient] = await Promise.all([
        backend.readBytes(up.length),
        client.readBytes(down.length),
      ]);
      assert.ok(atBackend.equals(up), "up");
      assert.ok(atClient.equals(down), "down");
    },
  },
  ...(["client", "backend"] as const).map(
    (from): Case => ({
      promise: "upgrades",
      says: `a ${other(from)} that does not read holds the ${from} of its tunnel, and then gets everything`,
      source: "Go's reverseproxy and HAProxy hold a few buffers",
      limitMs: FLOOD_LIMIT_MS,
      run: async (scene) => {
        const tunnel = await openTunnel(scene);
        tunnel[other(from)].discard(); // hashed, not kept
        await floodWhileNobodyReads(scene, tunnel[from], tunnel[other(from)], FLOOD_LIMIT_MS);
        tunnel[other(from)].send("heard");
        await tunnel[from].readUntil("heard");
      },
    }),
  ),
  {
    promise: "upgrades",
    says: "a tunnel that is silent for longer than every limit of requests still carries a ping",
    source: "this daemon's own promise; RFC 6455 §5.5.2 leaves keep-alive to the peers",
    profile: "limits",
    daemonOnly: true,
    run: async (scene) => {
      const tunnel = await openTunnel(scene);
      const times = Object.entries(LIMITS).filter(([name]) => name.endsWith("Ms"));
      await delay(Math.max(...times.map(([, ms]) => ms)) + 200);
      await ping(tunnel);
    },
  },
  ...(["client", "backend"] as const).map(
    (from): Case => ({
      promise: "upgrades",
      says: `when the ${from} of a tunnel ends its direction, the other direction goes on`,
      source:
        "this daemon's own promise; golang/go #35892, caddyserver/caddy #8026; RFC 9110 §9.3.6 lets a proxy close both",
      daemonOnly: true,
      run: async (scene) => {
        const tunnel = await openTunnel(scene);
        const [ended, still] = [tunnel[from], tunnel[other(from)]];
        ended.send("last words");
        ended.end();
        await still.readUntil("last words");
        assert.equal(await still.waitClosed(), "end");
        still.send("not done yet");
        await ended.readUntil("not done yet");
        still.end();
        assert.equal(await ended.waitClosed(), "end");
        await gone(scene, tunnel);
      },
    }),
  ),
  ...ENDS.map(
    ([side, how]): Case => ({
      promise: "upgrades",
      says: `a tunnel whose ${side} leaves (${how}) ends on the other side at once`,
      source: "RFC 9110 §9.3.6, of tunnels: when either side has closed, close both",
      run: async (scene) => {
        const tunnel = await openTunnel(scene);
        await ping(tunnel);
        const [leaving, left] = [tunnel[side], tunnel[other(side)]];
        if (how === "RST") leaving.reset();
        else {
          leaving.send("last words");
          leaving.end();
        }
        await promptly(`the ${other(side)}'s side of the tunnel to end`, left.closed, scene);
        if (how === "FIN") assert.equal(left.unread.toString(), "last words");
        left.end();
        await leaving.waitClosed();
        await gone(scene, tunnel);
      },
    }),
  ),
  ...(["client", "backend"] as const).map(
    (from): Case => ({
      promise: "upgrades",
      says: `what the ${from} sent before it left reaches a slow ${other(from)} to the last byte`,
      source: "RFC 9110 §9.3.6: send outstanding data on before closing",
      run: async (scene) => {
        const tunnel = await openTunnel(scene);
        const sent = randomBytes(2 ** 20);
        tunnel[other(from)].pause();
        tunnel[from].send(sent);
        tunnel[from].end();
        await scene.settled(); // the proxy has had its chance to drop it
        tunnel[other(from)].resume();
        const received = await tunnel[other(from)].readToEnd();
        assert.equal(received.length, sent.length);
        assert.ok(received.equals(sent));
      },
    }),
  ),
  {
    promise: "upgrades",
    says: "a client that leaves (RST) while it does not read ends a tunnel that is full",
    source: "a proxy that waits for room to write must still notice",
    run: async (scene) => {
      const { client, backend, seen } = await openTunnel(scene);
      client.pause();
      await fill(scene, backend);
      client.reset();
      await promptly("the backend's side of the tunnel to end", seen.connection.closed, scene);
    },
  },
  {
    promise: "upgrades",
    says: `${CYCLES} upgrades, ended in every way, leave no connection behind`,
    source: "http-proxy #783, #877: connections to the backend were left open",
    run: async (scene) => {
      const opened: OpenTunnel[] = [];
      for (let i = 0; i < CYCLES; i++) {
        const tunnel = await openTunnel(scene);
        const [side, how] = ENDS[i % ENDS.length] ?? ENDS[0];
        tunnel[side][how === "RST" ? "reset" : "destroy"]();
        await tunnel[other(side)].waitClosed();
        tunnel[other(side)].end();
        opened.push(tunnel);
      }
      await gone(scene, ...opened);
      assert.ok(scene.backend.connectionsOpen <= 1, `${scene.backend.connectionsOpen} are open`);
    },
  },
];
