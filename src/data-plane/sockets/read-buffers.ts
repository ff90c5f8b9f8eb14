/**
 * Read buffers: where the bytes of all connections of a process are read into.
 *
 * Nearly every read is small and used up before the next one, so one buffer serves all connections: none is made per
 * read, and an idle connection holds none. A connection in the middle of a large body gets one of its own, so that
 * what the other side cannot take at once need not be copied: the buffer is lent to that write.
 */
import { noteGarbage } from "./garbage.ts";

/** Of the shared buffer; what libuv suggests too. */
const SHARED_BYTES = 64 * 1024;
/** Of one of its own: an answer of 64 KiB comes in one read together with its head, and leaves in one write. */
const OWN_BYTES = 128 * 1024;
/** A smaller read is copied faster than a buffer is changed. */
const BULK_BYTES = 8 * 1024;
/** Own buffers at a time, 32 MiB: with more large bodies than that, the others are copied. */
const MAX_OWN = 256;
/** Views of the shared buffer up to this size are made once. */
const MAX_VIEW_BYTES = 4 * 1024;

export interface ReadBuffer {
  readonly bytes: Buffer;
  readonly isShared: boolean;
  /** Writes that have not left and still need it. */
  lent: number;
  /** Its connection reads into another one: free when nothing is lent. */
  isLeft: boolean;
}

/** Everybody's. */
export const SHARED: ReadBuffer = createBuffer(true);

const views: (Buffer | undefined)[] = new Array(MAX_VIEW_BYTES + 1).fill(undefined);
const free: ReadBuffer[] = [];
let ownCount = 0;

/** The buffer whose bytes are being told just now. */
let told: ReadBuffer | null = null;

function createBuffer(isShared: boolean): ReadBuffer {
  return {
    bytes: Buffer.allocUnsafeSlow(isShared ? SHARED_BYTES : OWN_BYTES),
    isShared,
    lent: 0,
    isLeft: false,
  };
}

/** The first `count` bytes. */
export function viewOf(buffer: ReadBuffer, count: number): Buffer {
  if (!buffer.isShared || count > MAX_VIEW_BYTES) return buffer.bytes.subarray(0, count);
  views[count] ??= buffer.bytes.subarray(0, count);
  return views[count] as Buffer;
}

/** Bytes that are needed after the call that told them. */
export function kept(bytes: Buffer): Buffer {
  return told !== null && bytes.buffer === told.bytes.buffer ? copyOf(bytes) : bytes;
}

function copyOf(bytes: Buffer): Buffer {
  noteGarbage(bytes.length);
  return Buffer.from(bytes);
}

/** Before the bytes of a read are told, and null after. */
export function setTold(buffer: ReadBuffer | null): void {
  const before = told;
  told = buffer;
  if (before !== null) releaseUnused(before);
}

/** Bytes that are safe to be written: whether they leave at once is not known before. */
export function writable(part: string | Buffer): string | Buffer {
  if (told === null || !told.isShared || typeof part === "string") return part;
  return part.buffer === told.bytes.buffer ? copyOf(part) : part;
}

/** Keeps the bytes that are being told as they are, until `giveBack`. @returns null: there are none, or they were copied. */
export function lend(): ReadBuffer | null {
  if (told === null || told.isShared) return null;
  told.lent++;
  return told;
}

export function giveBack(buffer: ReadBuffer): void {
  buffer.lent--;
  releaseUnused(buffer);
}

/**
 * Where a connection reads into after a read of `count` bytes.
 *
 * @param isBulk much more is to come.
 */
export function nextBuffer(current: ReadBuffer, count: number, isBulk: boolean): ReadBuffer {
  const needsOwn = isBulk && count >= BULK_BYTES;
  if (current.isShared) return needsOwn ? (takeOwn() ?? current) : current;
  if (isBulk && current.lent === 0) return current;
  leave(current);
  return needsOwn ? (takeOwn() ?? SHARED) : SHARED;
}

/** Its connection needs it no more. */
export function leave(buffer: ReadBuffer): void {
  if (buffer.isShared) return;
  buffer.isLeft = true;
  releaseUnused(buffer);
}

function takeOwn(): ReadBuffer | null {
  const buffer = free.pop();
  if (buffer === undefined) {
    if (ownCount >= MAX_OWN) return null;
    ownCount++;
    return createBuffer(false);
  }
  buffer.isLeft = false;
  return buffer;
}

/** How many there are of them: in use, and free for the next large body. */
export function ownBuffers(): { readonly inUse: number; readonly free: number } {
  return { inUse: ownCount - free.length, free: free.length };
}

const MAX_FREE = 16;

/** What is being told may still be lent, also after its connection was closed. */
function releaseUnused(buffer: ReadBuffer): void {
  if (!buffer.isLeft || buffer.lent > 0 || buffer === told) return;
  if (free.length < MAX_FREE) free.push(buffer);
  else ownCount--;
}
