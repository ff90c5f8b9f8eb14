/** The WebSocket clients: each opens a connection, talks over it, and opens the next one when a drain has ended it. */
import { randomBytes } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { localPortOf } from "./ask.ts";
import { Conversation } from "./conversation.ts";
import { ANSWER_LIMIT_MS, type Load, upTo } from "./load.ts";
import { acceptOf } from "./websocket.ts";

const RECONNECT_PAUSE_MS = 100;

export async function webSockets(load: Load): Promise<void> {
  while (!load.isEnding) {
    await openAndTalk(load);
    await delay(upTo(RECONNECT_PAUSE_MS));
  }
}

/** Settles when the connection is gone. */
function openAndTalk(load: Load): Promise<void> {
  const { ledger, clock } = load;
  const { promise, resolve } = Promise.withResolvers<void>();
  const startMs = clock.nowMs();
  const key = randomBytes(16).toString("base64");
  const outgoing = request({
    host: "127.0.0.1",
    port: load.port,
    path: "/socket",
    agent: false,
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
    },
  });
  const localPort = localPortOf(outgoing);
  const limit = setTimeout(() => outgoing.destroy(), ANSWER_LIMIT_MS);
  const fail = (why: string): void => {
    ledger.cut("websocket", { why: `handshake: ${why}`, localPort: localPort(), version: null });
    outgoing.destroy();
    resolve();
  };
  outgoing.on("error", (error) => fail(error.message));
  outgoing.on("response", ({ statusCode }) => fail(`status ${statusCode}`));
  outgoing.on("upgrade", ({ headers }: IncomingMessage, socket: Socket, head: Buffer) => {
    clearTimeout(limit);
    if (headers["sec-websocket-accept"] !== acceptOf(key)) return fail("wrong Sec-WebSocket-Accept");
    const version = String(headers["x-version"]);
    ledger.routed("websocket", version, startMs);
    const conversation = new Conversation(load, { socket, version, localPort: localPort() });
    resolve(conversation.run(head));
  });
  outgoing.end();
  return promise.finally(() => clearTimeout(limit));
}
