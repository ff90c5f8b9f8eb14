/** Memory of other processes, from proc_pid_status(5): Linux only. */
import { readFileSync } from "node:fs";
import { setInterval as every } from "node:timers/promises";

/** Resident memory now, bytes. */
export function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]);
}

/** @returns by how much the resident memory of `pid` was above where it stood, at most, while `work` ran; bytes. */
export async function growthDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes(pid);
  let most = before;
  const stopper = new AbortController();
  const watching = (async () => {
    for await (const _ of every(5, undefined, { signal: stopper.signal }))
      most = Math.max(most, residentBytes(pid));
  })().catch(() => {}); // stopped
  try {
    await work();
  } finally {
    stopper.abort();
    await watching;
  }
  return Math.max(most, residentBytes(pid)) - before;
}
