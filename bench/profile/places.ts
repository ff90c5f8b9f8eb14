/** Where a sample was taken, in a few words for a table: by what ran, and for what. Pure. */
import type { FrameKind } from "./frames.ts";
import type { Stack } from "./stacks.ts";

/** In the order of the table when shares are equal. */
export const PLACES = [
  "system-write",
  "system-read",
  "system-poll",
  "system-connect",
  "system-turn",
  "system-other",
  "ours",
  "node",
  "builtin",
  "native",
  "collection",
  "compile",
  "library",
  "unknown",
] as const;

export type Place = (typeof PLACES)[number];

const OF_KIND: Readonly<Record<Exclude<FrameKind, "kernel">, Place>> = {
  ours: "ours",
  node: "node",
  builtin: "builtin",
  native: "native",
  library: "library",
  unknown: "unknown",
};
const SYSTEM_CALL = /^(?:__x64_sys_|__arm64_sys_|__se_sys_|__sys_|ksys_|do_)(\w+?)(?:\.\w+)*$/;
const OF_CALL: readonly (readonly [RegExp, Place])[] = [
  [/^(write|writev|sendmsg|sendto)$/, "system-write"],
  [/^(read|readv|recvmsg|recvfrom)$/, "system-read"],
  [/^epoll_(p?wait2?|ctl)$/, "system-poll"],
  [/^(accept4?|connect|close|socket|shutdown|bind|listen|[gs]etsockopt)$/, "system-connect"],
];
/** Another process was given the core: what the change costs is charged to whoever comes back. */
const TURN = /^(exit_to_user_mode_loop|irqentry_exit_to_user_mode)(\.\w+)*$/;
const COLLECTION =
  /^v8::internal::(?:Heap::(?:CollectGarbage|Scavenge|PerformGarbage)|Scaveng|MarkCompact|MinorMarkSweep|ArrayBufferSweeper|Sweeper|Incremental|Concurrent|MinorGCJob)/;
const COMPILING =
  /^v8::internal::(?:Compiler|OptimizingCompile|TurbofanCompil|maglev|compiler|baseline|interpreter|TieringManager)|^Interpreter|Handler$/;

/** Samples of each place, those without any left out. */
export function countPlaces(stacks: readonly Stack[]): Partial<Record<Place, number>> {
  const counts: Partial<Record<Place, number>> = {};
  for (const stack of stacks) {
    const place = placeOf(stack);
    counts[place] = (counts[place] ?? 0) + stack.samples;
  }
  return counts;
}

/** What ran in the kernel is the kernel's, also when a collection called it: system time stays apart from user time. */
export function placeOf({ frames }: Pick<Stack, "frames">): Place {
  const last = frames.at(-1);
  if (last === undefined) return "unknown";
  if (last.kind === "kernel") {
    if (frames.some(({ kind, name }) => kind === "kernel" && TURN.test(name))) return "system-turn";
    const calls = frames.flatMap(({ kind, name }) =>
      kind === "kernel" ? (SYSTEM_CALL.exec(name)?.[1] ?? []) : [],
    );
    for (const call of calls) {
      const found = OF_CALL.find(([pattern]) => pattern.test(call));
      if (found) return found[1];
    }
    return "system-other";
  }
  const isIn = (pattern: RegExp): boolean =>
    frames.some(({ kind, name }) => kind === "native" && pattern.test(name));
  if (isIn(COLLECTION)) return "collection";
  if (isIn(COMPILING) || (last.kind === "builtin" && COMPILING.test(last.name))) return "compile";
  return OF_KIND[last.kind];
}
