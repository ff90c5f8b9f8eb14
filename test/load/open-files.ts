/** Open files of processes, and how many one may have. Reads /proc, so Linux only. */
import { readdirSync, readFileSync } from "node:fs";

/** Descriptors of a process besides its connections: libraries, pipes, epoll, the listener. */
const BESIDES = 200;

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/**
 * For a process that holds so many connections. Node.js raises its own soft limit to the hard one at its start, so
 * the hard one is what counts.
 *
 * @throws Error that says what to do, when this machine does not allow it: a promise that was not tried is not kept.
 */
export function needConnections(count: number): void {
  const limit = hardLimit();
  const needed = count + BESIDES;
  if (limit >= needed) return;
  throw new Error(
    `this machine allows ${limit} open files for one process (ulimit -Hn), and ${needed} are needed: ` +
      "raise the limit, or run the suite with TEST_LOAD=short",
  );
}

function hardLimit(): number {
  const text = readFileSync("/proc/self/limits", "latin1");
  const hard = /^Max open files +\S+ +(\S+)/m.exec(text)?.[1];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
