/**
 * The connections of a worker must read what their codec reads: whole, byte by byte, and in two pieces at some offsets,
 * others for each case.
 */
import type { CodecCase } from "./codec-case.ts";
import { isRequest } from "./heads.ts";
import { differenceBetween, type Message, type Reading } from "./reading.ts";
import { RealBackend } from "./real-backend.ts";
import { RealClient } from "./real-client.ts";

/** One of so many offsets. */
const EVERY = 16;

/** @param isChopped not only whole. @returns what is wrong; null when nothing is. */
export function judgeConnection(
  wireCase: CodecCase,
  bytes: Buffer,
  reading: Reading,
  isChopped: boolean,
): string | null {
  const ends = wireCase.kind === "answers" ? endsOf(reading.messages) : [];
  const whole = differenceAt(wireCase, bytes, reading, ends);
  if (whole !== null) return `the codec, and its connection: ${whole}`;
  if (!isChopped) return null;
  for (let at = 1 + (bytes.length % EVERY); at < bytes.length; at += EVERY) {
    const difference = differenceAt(wireCase, bytes, reading, [...ends, at]);
    if (difference !== null) return `the codec, and its connection cut at ${at}: ${difference}`;
  }
  const everywhere = Array.from({ length: bytes.length }, (_, at) => at);
  const difference = differenceAt(wireCase, bytes, reading, everywhere);
  return difference === null ? null : `the codec, and its connection byte by byte: ${difference}`;
}

/** What comes in one read with the end of an answer, and behind it, is nobody's: the next one has to come in another. */
function endsOf(messages: readonly Message[]): number[] {
  return messages
    .filter(({ head: { line }, end }) => end !== -1 && !isRequest(line) && line.status >= 200)
    .map(({ end }) => end);
}

function differenceAt(
  { kind, methods }: CodecCase,
  bytes: Buffer,
  reading: Reading,
  cuts: readonly number[],
): string | null {
  const places = [...new Set([0, ...cuts, bytes.length])].sort((a, b) => a - b);
  const pieces = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
  const real = kind === "requests" ? new RealClient() : new RealBackend(methods);
  for (const piece of pieces) real.feed(piece);
  if (real instanceof RealBackend) real.end();
  return differenceBetween(reading, real, false);
}
