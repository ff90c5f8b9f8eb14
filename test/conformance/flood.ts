/**
 * A stream that is written as fast as it is taken, while nobody reads its other end: how much the proxy takes in by
 * itself, and whether everything comes out, unchanged, once somebody reads.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { tcpTable } from "../support/tcp-table.ts";
import type { Scene } from "./case.ts";

const MIB = 2 ** 20;
/** More than the kernel holds on the way, by far more than a proxy may. */
export const FLOOD_BYTES = 48 * MIB;
/** What a proxy may hold of one stream: the buffers of the two sockets are the kernel's, and do not count. */
const MOST_HELD_BYTES = 4 * MIB;
/** So many requests in a row go all the way through while the stream stands still: then it is held. */
const STILL_ROUNDS = 4;
const PIECE_BYTES = 64 * 1024;
/** The table is not read in one piece: while others come and go an entry may be missed. */
const TABLE_ATTEMPTS = 5;

/** Either end: RawClient and BackendConnection are such. */
export interface StreamEnd {
  readonly socket: Socket;
  pause(): void;
  resume(): void;
  sendAll(bytes: Uint8Array, limitMs?: number): Promise<void>;
}

/**
 * Writes FLOOD_BYTES at one end. The other reads nothing until the writer is held, and then everything.
 *
 * @param to nothing of the stream may have arrived yet.
 * @throws Error when the proxy takes in more than a few MiB by itself, or when not all comes out as it went in.
 */
export async function floodWhileNobodyReads(
  scene: Scene,
  from: StreamEnd,
  to: StreamEnd,
  limitMs: number,
): Promise<void> {
  to.pause();
  const writing = startWriting(from, limitMs);
  await standStill(scene, writing, FLOOD_BYTES);
  const heldBytes = heldByProxy(from.socket, to.socket, writing.takenBytes);
  if (heldBytes !== undefined) {
    const what = `the proxy holds ${(heldBytes / MIB).toFixed(1)} MiB of a stream that nobody reads`;
    assert.ok(heldBytes <= MOST_HELD_BYTES, what);
  }
  const arrived = digestOf(to.socket, scene);
  to.resume();
  await scene.backend.until(
    "all of the stream to arrive",
    () => {
      if (writing.failure !== undefined) throw writing.failure;
      return arrived.bytes >= FLOOD_BYTES;
    },
    limitMs,
  );
  assert.equal(arrived.bytes, FLOOD_BYTES);
  assert.equal(arrived.sha1(), writing.sha1());
}

/** Writes until no more is taken, and would go on if it were: until the connection ends. */
export async function fill(scene: Scene, from: Pick<StreamEnd, "sendAll">): Promise<void> {
  const piece = Buffer.alloc(2 ** 20);
  const writing = { takenBytes: 0 };
  const write = async (): Promise<void> => {
    for (;;) {
      await from.sendAll(piece);
      writing.takenBytes += piece.length;
    }
  };
  write().catch(() => undefined); // ends with the connection
  await standStill(scene, writing, Number.POSITIVE_INFINITY);
}

interface Writing {
  takenBytes: number;
  failure: unknown;
  sha1(): string;
}

function startWriting(from: StreamEnd, limitMs: number): Writing {
  const hash = createHash("sha1");
  const writing: Writing = { takenBytes: 0, failure: undefined, sha1: () => hash.digest("hex") };
  const source = randomBytes(2 * PIECE_BYTES);
  const write = async (): Promise<void> => {
    while (writing.takenBytes < FLOOD_BYTES) {
      // No two alike, so that none can stand for another.
      const piece = source
        .subarray((writing.takenBytes / PIECE_BYTES) % PIECE_BYTES)
        .subarray(0, PIECE_BYTES);
      hash.update(piece);
      await from.sendAll(piece, limitMs);
      writing.takenBytes += piece.length;
    }
  };
  write().catch((error: unknown) => {
    writing.failure = error;
  });
  return writing;
}

/** Resolves when no more is taken, though the proxy does other work; or when all was taken. */
async function standStill(
  scene: Scene,
  writing: Pick<Writing, "takenBytes">,
  mostBytes: number,
): Promise<void> {
  let stillRounds = 0;
  while (stillRounds < STILL_ROUNDS && writing.takenBytes < mostBytes) {
    const before = writing.takenBytes;
    await scene.settled();
    stillRounds = writing.takenBytes === before ? stillRounds + 1 : 0;
  }
}

/** What was taken and is not in the kernel: undefined when the proxy's sockets cannot be seen from here. */
function heldByProxy(from: Socket, to: Socket, takenBytes: number): number | undefined {
  const [written, read] = [queuedBytes(from), queuedBytes(to)];
  return written === undefined || read === undefined ? undefined : takenBytes - written - read;
}

/** What the kernel holds of one connection, at both ends of it. */
function queuedBytes({ localPort = 0, remotePort = 0 }: Socket): number | undefined {
  for (let attempt = 0; attempt < TABLE_ATTEMPTS; attempt++) {
    const ends = tcpTable().filter(
      (entry) =>
        (entry.localPort === localPort && entry.remotePort === remotePort) ||
        (entry.localPort === remotePort && entry.remotePort === localPort),
    );
    if (ends.length !== 2) continue;
    return ends.reduce(
      (sum, { sendQueueBytes, receiveQueueBytes }) => sum + sendQueueBytes + receiveQueueBytes,
      0,
    );
  }
  return undefined;
}

function digestOf(socket: Socket, { backend }: Scene): { bytes: number; sha1(): string } {
  const hash = createHash("sha1");
  const digest = { bytes: 0, sha1: () => hash.digest("hex") };
  socket.on("data", (bytes: Buffer) => {
    digest.bytes += bytes.length;
    hash.update(bytes);
    backend.changed.notify();
  });
  return digest;
}
