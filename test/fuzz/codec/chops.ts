/** The same bytes in other pieces must be read the same: in two at every offset, and one byte at a time. */
import { type CodecCase, readWithCodec } from "./codec-case.ts";
import { differenceBetween, type KnownHeads, type Reading } from "./reading.ts";

/** @param known heads of `whole`. @returns what is wrong; null when nothing is. */
export function judgeChops(
  wireCase: CodecCase,
  bytes: Buffer,
  whole: Reading,
  known: KnownHeads,
): string | null {
  for (let at = 1; at < bytes.length; at++) {
    const chopped = readWithCodec(wireCase, [bytes.subarray(0, at), bytes.subarray(at)], known);
    const difference = differenceBetween(whole, chopped);
    if (difference !== null) return `whole, and cut at ${at}: ${difference}`;
  }
  const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
  const difference = differenceBetween(whole, readWithCodec(wireCase, single));
  return difference === null ? null : `whole, and byte by byte: ${difference}`;
}
