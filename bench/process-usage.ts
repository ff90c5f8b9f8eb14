/**
 * What a whole process tree has used: CPU, user and system apart, and memory. Reads /proc, so Linux only.
 *
 * A tree is a process group: whoever starts a contender makes it the leader of one, and none leaves it.
 */
import { readFileSync } from "node:fs";
import { groupMembers } from "../test/support/process-group.ts";

export interface CpuUsage {
  readonly userMs: number;
  readonly systemMs: number;
}

export interface MemoryUsage {
  /** What is resident now, summed; pages that two processes share count twice. */
  readonly residentBytes: number;
  /** The highest of each process, summed: an upper bound of the tree's peak. */
  readonly peakResidentBytes: number;
}

/** USER_HZ, which the kernel promises to programs whatever its own tick is. */
const MS_PER_TICK = 10;

/**
 * Includes the children that the leader has waited for, so that a worker which died in between is not lost.
 *
 * @throws Error when the leader is gone.
 */
export function cpuUsage(leader: number): CpuUsage {
  let userTicks = 0;
  let systemTicks = 0;
  for (const pid of treeOf(leader)) {
    const fields = statFields(pid);
    userTicks += Number(fields[11]) + (pid === leader ? Number(fields[13]) : 0);
    systemTicks += Number(fields[12]) + (pid === leader ? Number(fields[14]) : 0);
  }
  return { userMs: userTicks * MS_PER_TICK, systemMs: systemTicks * MS_PER_TICK };
}

/** What was used since `before`. @throws Error when the leader is gone. */
export function cpuSince(before: CpuUsage, leader: number): CpuUsage {
  const { userMs, systemMs } = cpuUsage(leader);
  return { userMs: userMs - before.userMs, systemMs: systemMs - before.systemMs };
}

/** @throws Error when the leader is gone. */
export function memoryUsage(leader: number): MemoryUsage {
  let residentBytes = 0;
  let peakResidentBytes = 0;
  for (const pid of treeOf(leader)) {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    residentBytes += kibibytes(status, "VmRSS") * 1024;
    peakResidentBytes += kibibytes(status, "VmHWM") * 1024;
  }
  return { residentBytes, peakResidentBytes };
}

function treeOf(leader: number): number[] {
  const pids = groupMembers(leader);
  if (!pids.includes(leader)) throw new Error(`process ${leader} is gone`);
  return pids;
}

/** proc_pid_stat(5) from `state` on, so that utime, the 14th field there, has index 11. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
}
