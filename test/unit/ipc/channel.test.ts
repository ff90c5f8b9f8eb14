import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { Channel, type IpcEnd } from "../../../src/ipc/channel.ts";

interface Message {
  readonly type: string;
  readonly id?: number;
}

/** One end of a pipe; what is sent on it arrives at the other end a little later. */
class PipeEnd extends EventEmitter implements IpcEnd {
  connected = true;
  other: PipeEnd | undefined;
  readonly sent: unknown[] = [];

  send(message: unknown, handle: unknown, _options: object, done: (error: Error | null) => void): boolean {
    this.sent.push(message);
    setImmediate(() => {
      if (this.connected) this.other?.emit("message", message, handle);
      done(null);
    });
    return true;
  }

  close(): void {
    for (const end of [this, this.other]) {
      if (end === undefined) continue;
      end.connected = false;
      end.emit("disconnect");
    }
  }
}

function startPipe() {
  const ends = [new PipeEnd(), new PipeEnd()] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  const received: { primary: Message[]; worker: Message[] } = { primary: [], worker: [] };
  const primary = new Channel<Message, Message>(ends[0], "primary", (message) =>
    received.primary.push(message),
  );
  const worker = new Channel<Message, Message>(ends[1], "worker", (message) => received.worker.push(message));
  return { primary, worker, received, ends };
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("what is sent arrives at the other end, with its handle", async () => {
  const [end, other] = [new PipeEnd(), new PipeEnd()];
  end.other = other;
  const seen: unknown[] = [];
  new Channel<Message, Message>(other, "worker", (message, handle) => seen.push(message, handle));
  const handle = {};
  new Channel<Message, Message>(end, "primary", () => {}).send({ type: "hello" }, handle as never);
  await turn();
  assert.deepEqual(seen, [{ type: "hello" }, handle]);
});

test("an answer goes to the question with its id, also when answers come in another order", async () => {
  const { primary, worker, received } = startPipe();
  const asked = ["a", "b", "c"].map((type) => primary.ask((id) => ({ type, id }), 1_000));
  await turn();
  assert.equal(received.worker.length, 3);
  for (const { type, id } of received.worker.toReversed()) worker.send({ type: `${type}!`, id: id ?? 0 });
  assert.deepEqual(
    (await Promise.all(asked)).map((answer) => answer?.type),
    ["a!", "b!", "c!"],
  );
  assert.deepEqual(received.primary, []);
});

test("questions of the two ends are never taken for each other's answers", async () => {
  const { primary, worker, received } = startPipe();
  const fromPrimary = [1, 2, 3].map(() => primary.ask((id) => ({ type: "primary asks", id }), 1_000));
  const fromWorker = [1, 2, 3].map(() => worker.ask((id) => ({ type: "worker asks", id }), 1_000));
  await turn();
  assert.ok(received.primary.every(({ type }) => type === "worker asks"));
  assert.ok(received.worker.every(({ type }) => type === "primary asks"));
  const ids = [...received.primary, ...received.worker].map(({ id }) => id);
  assert.equal(new Set(ids).size, 6);
  assert.ok(!ids.includes(0), "0 is for what was not asked for");
  for (const { id = 0 } of received.primary) primary.send({ type: "to the worker", id });
  for (const { id = 0 } of received.worker) worker.send({ type: "to the primary", id });
  for (const answer of await Promise.all(fromWorker)) assert.equal(answer?.type, "to the worker");
  for (const answer of await Promise.all(fromPrimary)) assert.equal(answer?.type, "to the primary");
});

test("a question without an answer is null after its limit, and a late answer is a message like others", async () => {
  const { primary, worker, received } = startPipe();
  const startedMs = performance.now();
  assert.equal(await primary.ask((id) => ({ type: "ask", id }), 60), null);
  assert.ok(performance.now() - startedMs >= 55);
  worker.send({ type: "late", id: received.worker[0]?.id ?? 0 });
  await turn();
  assert.deepEqual(
    received.primary.map(({ type }) => type),
    ["late"],
  );
});

test("when the other end goes, everything asked is null at once, and so is everything asked later", async () => {
  const { primary, worker, ends } = startPipe();
  const asked = [
    primary.ask((id) => ({ type: "ask", id }), 60_000),
    worker.ask((id) => ({ type: "ask", id }), 60_000),
  ];
  ends[0].close();
  assert.deepEqual(await Promise.all(asked), [null, null]);
  assert.equal(await primary.ask((id) => ({ type: "ask", id }), 60_000), null);
});

test("sending on a closed channel is harmless, and the last message does not wait for ever", async () => {
  const { primary, ends } = startPipe();
  ends[0].close();
  primary.send({ type: "lost" });
  await primary.write({ type: "lost" });
  assert.deepEqual(ends[0].sent, []);
});

test("the last message is written before its promise resolves", async () => {
  const { worker, received } = startPipe();
  await worker.write({ type: "stats", id: 0 });
  assert.deepEqual(received.primary, [{ type: "stats", id: 0 }]);
});
