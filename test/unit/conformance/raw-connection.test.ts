import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { startRawBackend } from "../../support/backend.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

for (const what of ["nothing", "a little", "more than the other side takes"]) {
  test(`a raw client that ends, with ${what} sent, and resets in the same breath is closed`, {
    timeout: 20_000,
  }, async (t) => {
    const accepted: Socket[] = [];
    const server = await startRawBackend(t, (socket) => void accepted.push(socket.pause()), {
      allowHalfOpen: true,
    });
    const client = await openRaw(server.port, { t });
    await waitUntil("it is accepted", () => accepted.length === 1);
    const closed = once(client.socket, "close");
    if (what === "a little") client.send("x");
    if (what.startsWith("more")) client.send(Buffer.alloc(32 * 1024 * 1024));
    client.end();
    client.reset();
    await withLimit(closed, 5_000, "the socket to close");
    assert.equal(client.ending, "local");
  });
}
