/**
 * Process groups of daemons under test: who is in one, and the end of all when the test process ends early.
 *
 * Reads /proc, so it knows members on Linux only; killing works wherever POSIX does.
 */
import { readdirSync, readFileSync } from "node:fs";

const tracked = new Set<number>();
let isWatching = false;

/** Whatever ends this process from now on also kills the group, unless it is untracked before. */
export function trackGroup(leader: number): void {
  tracked.add(leader);
  if (isWatching) return;
  isWatching = true;
  process.once("exit", killTracked);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      killTracked();
      process.kill(process.pid, signal); // nobody listens any more: the default action
    });
  }
}

export function untrackGroup(leader: number): void {
  tracked.delete(leader);
}

/** kill -9 to every member, the leader included; harmless when none is left. */
export function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // nobody is left
  }
}

/** The pids of the members that live; a zombie does not. */
export function groupMembers(leader: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && stat.group === leader && stat.state !== "Z";
  });
}

/** Whether the process lives; a zombie does not. */
export function isAlive(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== "Z";
}

/** As proc_pid_stat(5) has it: `R`, `S`, `T` (stopped), …; undefined when the process is gone. */
export function processState(pid: number): string | undefined {
  return readStat(pid)?.state;
}

function killTracked(): void {
  for (const leader of tracked) killGroup(leader);
  tracked.clear();
}

/** proc_pid_stat(5). Undefined when the process is gone. */
function readStat(pid: number): { state: string; group: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state = "", , group] = text.slice(text.lastIndexOf(")") + 2).split(" "); // the name may hold spaces
    return { state, group: Number(group) };
  } catch {
    return undefined;
  }
}
