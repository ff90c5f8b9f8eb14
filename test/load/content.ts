/**
 * The bytes of a body, from its number alone: both ends make them without telling each other, so that a byte that is
 * missing, doubled, or of another body is found.
 */
import { Random } from "./random.ts";

const POOL_BYTES = 2 ** 22;
const POOL = makePool();

function makePool(): Buffer {
  const random = new Random(1);
  const numbers = Uint32Array.from({ length: POOL_BYTES / 4 }, () => random.between(0, 2 ** 32 - 1));
  return Buffer.from(numbers.buffer);
}

/** What is wrong with a body; whatever else happens, this may not. */
export class WrongBytes extends Error {}

/** Bytes `from` to before `to` of body `id`, which must not be changed: they are nobody's own. */
export function contentOf(id: number, from: number, to: number): Buffer {
  const at = (Math.imul(id, 0x9e3779b1) >>> 0) % POOL_BYTES;
  const start = (at + from) % POOL_BYTES;
  const length = to - from;
  if (start + length <= POOL_BYTES) return POOL.subarray(start, start + length);
  const pieces = [POOL.subarray(start)];
  for (let left = length - (POOL_BYTES - start); left > 0; left -= POOL_BYTES) {
    pieces.push(POOL.subarray(0, Math.min(left, POOL_BYTES)));
  }
  return Buffer.concat(pieces, length);
}

/** @throws WrongBytes unless `bytes` are those of body `id` from `from` on. */
export function checkContent(bytes: Buffer, id: number, from = 0): void {
  const right = contentOf(id, from, from + bytes.length);
  if (bytes.equals(right)) return;
  const at = bytes.findIndex((byte, i) => byte !== right[i]);
  throw new WrongBytes(
    `body ${id} is wrong from byte ${from + at} on: ${JSON.stringify(bytes.toString("latin1", at, at + 40))}`,
  );
}
