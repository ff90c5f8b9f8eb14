/** The stacks of a `perf script`, folded: equal ones counted together. Pure. */
import { type Frame, parseFrame } from "./frames.ts";

/** From the outermost frame to the one that ran. */
export interface Stack {
  readonly frames: readonly Frame[];
  readonly samples: number;
}

/** What calls this is the same for all that a thread does in its loop. */
const LOOP = "uv_run";

/** @param script what `perf script` wrote. */
export function foldStacks(script: string, root: string): Stack[] {
  const folded = new Map<string, { frames: readonly Frame[]; samples: number }>();
  for (const block of script.split(/\n\s*\n/)) {
    const frames = framesOf(block, root);
    if (frames.length === 0) continue;
    const key = frames.map(({ kind, name }) => `${kind} ${name}`).join("\n");
    const known = folded.get(key);
    if (known) known.samples++;
    else folded.set(key, { frames, samples: 1 });
  }
  return [...folded.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stack]) => stack);
}

/** The head of a block begins with the thread's name, which may hold spaces; its stack begins with what ran. */
function framesOf(block: string, root: string): Frame[] {
  const lines = block.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [head = "", ...rest] = lines;
  const [, thread] = /^\s*(\S.*?)\s+\d+(?:\/\d+)?\s+(?:\[\d+\]\s+)?\d+\.\d+:/.exec(head) ?? [];
  if (thread === undefined) return [];
  const stack = rest.flatMap((line) => parseFrame(line, root) ?? []).reverse();
  const loopAt = stack.findIndex(({ name }) => name === LOOP);
  return [{ name: thread, kind: "native" }, ...stack.slice(Math.max(0, loopAt))];
}
