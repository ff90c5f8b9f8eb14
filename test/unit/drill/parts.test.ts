/** The small parts of the drill: its plan, its percentiles, and which connections a process holds. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { EventReader, encodeEvent } from "../../../src/drill/event-stream.ts";
import { stopAndListPorts } from "../../../src/drill/held-ports.ts";
import { Latencies } from "../../../src/drill/latencies.ts";
import { DRAIN, planMoves } from "../../../src/drill/plan.ts";

test("the plan of 20 has switches and rollbacks, holds, one dry run, one kill, and lets both versions be drained", () => {
  const moves = planMoves(20);
  assert.equal(moves.length, 20);
  assert.equal(moves.filter(({ call }) => call === "rollback").length, 5);
  assert.equal(moves.filter(({ isRehearsed }) => isRehearsed).length, 1);
  assert.equal(moves.filter(({ killsWorker }) => killsWorker).length, 1);
  assert.ok(moves.some(({ hold }) => hold !== null));
  const drained = moves.filter(({ pauseMs }) => pauseMs > DRAIN.deadlineMs).map(({ to }) => to);
  assert.deepEqual(new Set(drained), new Set(["v1", "v2"]));
});

test("every move of any plan leaves the version that is active, and a rollback follows a switch", () => {
  for (const count of [1, 2, 3, 7, 100]) {
    const moves = planMoves(count);
    const from = (i: number): string => moves[i - 1]?.to ?? "v1";
    for (const [i, move] of moves.entries()) {
      assert.notEqual(move.to, from(i));
      if (move.call === "rollback") assert.equal(moves[i - 1]?.call, "switch");
    }
    assert.deepEqual(
      moves.filter(({ killsWorker }) => killsWorker).map(({ to }) => to),
      ["v2"],
      `${count} moves: a worker dies while the version is active that the daemon did not begin on`,
    );
    assert.equal(moves.filter(({ isRehearsed }) => isRehearsed).length, 1, `${count}`);
  }
});

test("a percentile is at most 2 % above what it is", () => {
  const latencies = new Latencies();
  assert.equal(latencies.percentileMs(0.5), null);
  for (let ms = 1; ms <= 1_000; ms++) latencies.add(ms);
  for (const [share, exact] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const found = latencies.percentileMs(share) ?? 0;
    assert.ok(found >= exact * 0.99 && found <= exact * 1.025, `${found} for ${exact}`);
  }
  latencies.add(0);
  latencies.add(10 ** 9);
  assert.ok((latencies.percentileMs(1) ?? 0) >= 600_000);
});

test("events are read whole, however they are cut, and one that lacks a piece is found", () => {
  const text = [1, 2, 3].map((id) => encodeEvent({ id, sentAtMs: id + 0.5 })).join("");
  const reader = new EventReader();
  assert.deepEqual(
    [...text].flatMap((character) => reader.push(character)),
    [1, 2, 3].map((id) => ({ id, sentAtMs: id + 0.5 })),
  );
  assert.equal(reader.isAmidEvent, false);
  assert.deepEqual(reader.push("id: 4\nda"), []);
  assert.equal(reader.isAmidEvent, true);
  assert.deepEqual(reader.push("\n\n"), [null]);
});

test("a process that is stopped is asked which connections to its port it holds", async (t) => {
  const child = spawn(process.execPath, [
    "-e",
    "const s = require('net').createServer((c) => { c.on('error', () => {}); console.log('got'); }).listen(0, '127.0.0.1', () => console.log(s.address().port))",
  ]);
  t.after(() => child.kill("SIGKILL"));
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(said.toString());
  const sockets: Socket[] = [];
  for (let i = 0; i < 3; i++) {
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    await Promise.all([once(socket, "connect"), once(child.stdout, "data")]);
    sockets.push(socket);
  }
  const ports = new Set(sockets.map(({ localPort }) => localPort));
  assert.deepEqual(stopAndListPorts(child.pid ?? 0, port), ports);
  const late = connect(port, "127.0.0.1"); // accepted by nobody: whoever shares the port may still take it
  t.after(() => late.destroy());
  await once(late, "connect");
  assert.deepEqual(stopAndListPorts(child.pid ?? 0, port), ports);
  assert.deepEqual(stopAndListPorts(child.pid ?? 0, port + 1), new Set());
});
