/** Stream binding: it takes what it knows, leaves everything else alone, and does without where Node is built otherwise. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { TLSSocket } from "node:tls";
import { clientTransport } from "../../../../src/data-plane/sockets/open-transport.ts";
import {
  binding,
  errorOf,
  type InternalParts,
  listenHandleOf,
  loadBinding,
  takeHandle,
} from "../../../../src/data-plane/sockets/stream-binding.ts";
import { onTestEnd } from "../../../support/cleanup.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { socketPair } from "../../../support/socket-pair.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";

const limit = { timeout: 20_000 };
const node = process as unknown as InternalParts;

test("the parts are there in the Node that is pinned", () => {
  assert.ok(binding !== null);
  assert.equal(errorOf("read", binding.endOfFile).code, "EOF");
});

/** Node's own parts, with some of one of them otherwise. */
function changed(name: string, change: Readonly<Record<string, unknown>>): InternalParts {
  return {
    binding: (asked) => {
      const parts = node.binding(asked) as object;
      return asked === name ? { ...parts, ...change } : parts;
    },
  };
}

class TcpWithoutUserBuffer {}
const OTHERWISE: readonly (readonly [what: string, parts: InternalParts])[] = [
  [
    "forbids it",
    {
      binding: () => {
        throw new Error("ERR_ACCESS_DENIED");
      },
    },
  ],
  ["has no such parts", { binding: () => undefined }],
  ["has no way to ask for them", {} as InternalParts],
  ["has no write requests", changed("stream_wrap", { WriteWrap: undefined })],
  ["has no shutdown requests", changed("stream_wrap", { ShutdownWrap: {} })],
  ["keeps its state elsewhere", changed("stream_wrap", { streamBaseState: [0, 0, 0, 0, 0] })],
  ["tells no lengths of reads", changed("stream_wrap", { kReadBytesOrError: undefined })],
  ["tells no lengths of writes", changed("stream_wrap", { kBytesWritten: "2" })],
  ["does not tell which writes wait", changed("stream_wrap", { kLastWriteWasAsync: undefined })],
  ["has handles of another kind", changed("tcp_wrap", { TCP: TcpWithoutUserBuffer })],
  ["has no handles", changed("tcp_wrap", { TCP: undefined })],
];
for (const [what, parts] of OTHERWISE) {
  test(`a Node that ${what} is done without`, () => assert.equal(loadBinding(parts), null));
}

test("parts as they should be are taken, wherever they come from", () => {
  assert.ok(loadBinding(changed("stream_wrap", {})) !== null);
});

test(
  "after its handle is taken nothing is left on the socket, and what it does touches nothing",
  limit,
  async (t) => {
    const [near, far] = await socketPair(t);
    near.on("data", () => assert.fail("the socket was told"));
    near.on("end", () => assert.fail("the socket was told"));
    near.on("error", () => assert.fail("the socket was told"));
    near.pause();
    const transport = clientTransport(near, "auto");
    onTestEnd(t, () => transport.destroy());
    assert.equal((near as unknown as { _handle: unknown })._handle, null);
    assert.equal(takeHandle(near), null, "it is taken once");
    assert.deepEqual([near.remoteAddress, near.bytesRead], [undefined, 0]);
    near.resume();
    near.destroy();
    await once(near, "close");
    const user = new ToldByTransport(transport);
    const peer = new RawClient(far);
    peer.send("there");
    await user.received(5);
    transport.writeText("and back");
    assert.equal(await peer.readUntil("back"), "and back");
    assert.deepEqual([user.text, user.told], ["there", []]);
  },
);

test("a socket that is no plain TCP connection, or none yet, is left alone", limit, async (t) => {
  const path = join(await tempDir(t), "a.sock");
  const server = createServer().listen(path);
  onTestEnd(t, () => server.close());
  await once(server, "listening");
  const pipe = connect(path);
  onTestEnd(t, () => pipe.destroy());
  await once(pipe, "connect");
  const [near] = await socketPair(t);
  const tls = new TLSSocket(near);
  for (const socket of [pipe, tls, new Socket()]) assert.equal(takeHandle(socket), null);
  assert.equal(listenHandleOf(server), null, "a server on a path is of another kind");
  assert.equal(listenHandleOf(createServer()), null, "it does not listen yet");
});

test("an error of a call has its name, its number and the call, as Node's own have", () => {
  const { message, code, errno, syscall } = errorOf("write", -104);
  assert.deepEqual([message, code, errno, syscall], ["write ECONNRESET", "ECONNRESET", -104, "write"]);
});
