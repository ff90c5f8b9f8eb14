/** Makes a case smaller as long as it stays bad: takes pieces out, large ones first, then makes bytes plain. */
import type { CodecCase } from "./codec-case.ts";

export function shrink(found: CodecCase, isBad: (smaller: CodecCase) => boolean): CodecCase {
  let { text } = found;
  const holds = (candidate: string): boolean => isBad({ ...found, text: candidate });
  for (let before = ""; before !== text; ) {
    before = text;
    for (let size = text.length >> 1; size >= 1; size >>= 1) {
      for (let at = 0; at + size <= text.length; ) {
        const without = text.slice(0, at) + text.slice(at + size);
        if (holds(without)) text = without;
        else at += size;
      }
    }
  }
  for (let at = 0; at < text.length; at++) {
    const plainer = `${text.slice(0, at)}a${text.slice(at + 1)}`;
    if (/[b-zA-Z\x80-\xff]/.test(text[at] ?? "") && holds(plainer)) text = plainer;
  }
  return { ...found, text };
}
