/**
 * WebSocket (RFC 6455), as much of it as the drill needs on both sides: the accept key, and short frames that are
 * not fragmented. Pure.
 */
import { createHash, randomBytes } from "node:crypto";

export const OPCODE = { text: 0x1, close: 0x8 } as const;

export const CLOSE = {
  /** "normal": whoever opened it wants no more. */
  normal: 1000,
  goingAway: 1001,
  /** "service restart" (IANA's registry of close codes): come back. */
  serviceRestart: 1012,
} as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const IS_FINAL = 0x80;
const IS_MASKED = 0x80;
/** In place of a length: the next two bytes are it. */
const LENGTH_OF_16_BIT = 126;

/** @param key of `Sec-WebSocket-Key`. @returns what `Sec-WebSocket-Accept` must be. */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}${ACCEPT_GUID}`).digest("base64");
}

/** @param payload up to 65,535 bytes. @param isClient clients mask what they send. */
export function encodeFrame(opcode: number, payload: Buffer, isClient: boolean): Buffer {
  const isLong = payload.length >= LENGTH_OF_16_BIT;
  const head = Buffer.alloc(isLong ? 4 : 2);
  head[0] = IS_FINAL | opcode;
  head[1] = (isClient ? IS_MASKED : 0) | (isLong ? LENGTH_OF_16_BIT : payload.length);
  if (isLong) head.writeUInt16BE(payload.length, 2);
  if (!isClient) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, masked(payload, mask)]);
}

export function encodeClose(code: number, isClient: boolean): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return encodeFrame(OPCODE.close, payload, isClient);
}

/** @returns 1005 ("no status") when the frame gives none. */
export function closeCodeOf({ payload }: Frame): number {
  return payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
}

/** Bytes as they come to whole frames. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** Whether part of a frame is there. */
  get isAmidFrame(): boolean {
    return this.#bytes.length > 0;
  }

  /** @returns the frames that are whole now; null once it is none that we could have been sent. */
  push(bytes: Buffer): Frame[] | null {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      const [first, second] = this.#bytes;
      if (first === undefined || second === undefined) return frames;
      const lengthOrKind = second & ~IS_MASKED;
      const isLong = lengthOrKind === LENGTH_OF_16_BIT;
      const hasMask = (second & IS_MASKED) !== 0;
      if ((first & IS_FINAL) === 0 || lengthOrKind > LENGTH_OF_16_BIT) return null;
      const maskAt = isLong ? 4 : 2;
      const payloadAt = maskAt + (hasMask ? 4 : 0);
      if (this.#bytes.length < payloadAt) return frames;
      const end = payloadAt + (isLong ? this.#bytes.readUInt16BE(2) : lengthOrKind);
      if (this.#bytes.length < end) return frames;
      const payload = this.#bytes.subarray(payloadAt, end);
      const mask = this.#bytes.subarray(maskAt, payloadAt);
      frames.push({ opcode: first & 0x0f, payload: hasMask ? masked(payload, mask) : payload });
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
}
