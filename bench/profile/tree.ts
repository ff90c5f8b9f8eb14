/** Stacks as a tree: what begins alike is one branch. Pure. */
import { type Frame, type FrameKind, isFrameKind } from "./frames.ts";
import type { Stack } from "./stacks.ts";

export interface Branch {
  readonly name: string;
  readonly kind: FrameKind;
  /** Its own and those of all above it. */
  readonly samples: number;
  readonly above: readonly Branch[];
}

/** @param leastShare of all samples: a branch with fewer is left out, its samples stay with the one below. */
export function growTree(stacks: readonly Stack[], leastShare: number): readonly Branch[] {
  const all = stacks.reduce((sum, { samples }) => sum + samples, 0);
  return grow(stacks, 0, Math.max(1, all * leastShare));
}

function grow(stacks: readonly Stack[], depth: number, leastSamples: number): Branch[] {
  const groups = new Map<string, { frame: Frame; stacks: Stack[]; samples: number }>();
  for (const stack of stacks) {
    const frame = stack.frames[depth];
    if (frame === undefined) continue;
    const key = `${frame.kind} ${frame.name}`;
    const group = groups.get(key) ?? { frame, stacks: [], samples: 0 };
    group.stacks.push(stack);
    group.samples += stack.samples;
    groups.set(key, group);
  }
  return [...groups.entries()]
    .filter(([, { samples }]) => samples >= leastSamples)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { frame, stacks: own, samples }]) => ({
      name: frame.name,
      kind: frame.kind,
      samples,
      above: grow(own, depth + 1, leastSamples),
    }));
}

/** One line for each branch, the one below before those above it: `DEPTH SAMPLES KIND NAME`. */
export function toLines(tree: readonly Branch[], depth = 0): string[] {
  return tree.flatMap(({ name, kind, samples, above }) => [
    `${depth} ${samples} ${kind} ${name}`,
    ...toLines(above, depth + 1),
  ]);
}

/** @throws Error when a line is none of toLines(). */
export function fromLines(lines: readonly string[]): readonly Branch[] {
  const roots: Branch[] = [];
  /** The open branches' `above`, by depth; the first is for roots. */
  const open: Branch[][] = [roots];
  for (const line of lines) {
    const [, depthText = "", samples = "", kind = "", name = ""] =
      /^(\d+) (\d+) (\w+) (.+)$/.exec(line) ?? [];
    const siblings = depthText === "" ? undefined : open[Number(depthText)];
    if (siblings === undefined || !isFrameKind(kind)) throw new Error(`no line of a tree: ${line}`);
    const above: Branch[] = [];
    siblings.push({ name, kind, samples: Number(samples), above });
    open.length = Number(depthText) + 1;
    open.push(above);
  }
  return roots;
}
