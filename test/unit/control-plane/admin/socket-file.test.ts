/** The socket's file when several want it at once. What one daemon does with it: test/integration/admin/unix-socket.test.ts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { listenOnSocket } from "../../../../src/control-plane/admin/socket-file.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const MODE = 0o600;

/** One that says its name to whoever connects. */
function named(name: string): Server {
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // who only looked is gone
    socket.resume().end(name);
  });
  return server.unref(); // a test that fails must still end
}

async function whoAnswers(path: string): Promise<string> {
  const socket = connect(path);
  const [text] = (await once(socket.setEncoding("utf8"), "data")) as [string];
  return text;
}

async function close(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

/** A socket that nobody listens on any more, as a kill leaves it. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer();
  await listenOnSocket(server, { path: `${path}.dying`, mode: MODE });
  await rename(`${path}.dying`, path); // closing removes only the name that was bound
  await close(server);
  assert.ok(existsSync(path));
}

test("of several that find a stale socket, at whatever distance, one listens and is reached, the others are told", {
  timeout: 60_000,
}, async (t) => {
  const dir = await tempDir(t, "socket");
  for (let gapMs = 0; gapMs <= 30; gapMs++) {
    const path = join(dir, `${gapMs}.sock`);
    await leaveStale(path);
    const servers = ["a", "b", "c", "d"].map(named);
    const ends = await Promise.allSettled(
      servers.map(async (server, index) => {
        await delay(index * gapMs);
        await listenOnSocket(server, { path, mode: MODE });
      }),
    );
    const winners = servers.filter((_, index) => ends[index]?.status === "fulfilled");
    assert.equal(winners.length, 1, `gap ${gapMs} ms`);
    const winner = ["a", "b", "c", "d"].find((_, index) => ends[index]?.status === "fulfilled");
    assert.equal(await whoAnswers(path), winner, `gap ${gapMs} ms`);
    for (const end of ends) {
      if (end.status === "rejected") assert.ok(end.reason instanceof StartError, String(end.reason));
    }
    for (const server of winners) await close(server);
    assert.deepEqual(await readdir(dir), [], "nothing is left, under no other name either");
  }
});

test("a path of as many bytes as the config allows can be listened on, and taken over", async (t) => {
  const dir = await tempDir(t, "socket");
  const path = join(dir, "x".repeat(100 - Buffer.byteLength(dir) - 1 - ".dying".length));
  await leaveStale(path);
  const server = named("a");
  await listenOnSocket(server, { path, mode: MODE });
  assert.equal(await whoAnswers(path), "a");
  await close(server);
});
