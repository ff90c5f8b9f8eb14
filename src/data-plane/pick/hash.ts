/** 32-bit hashes of short texts, and their mixing. Pure; nothing is allocated. Not for secrets. */

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a of `text` from `start` to `end`, mixed: alone its upper bits hardly know the last characters. Signed. */
export function hashOf(text: string, start = 0, end = text.length): number {
  let hash = FNV_BASIS | 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return mix(hash);
}

/** Each bit of what comes in changes each bit of what comes out half of the time; one to one. MurmurHash3's end. */
export function mix(input: number): number {
  let hash = input;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** The golden ratio's part of 2^32: steps of it never meet a number twice and never lie close together. */
export const GOLDEN = 0x9e3779b9;
