/**
 * Processes that stand still for a while (SIGSTOP): to let one worker alone accept, or to play one that hangs.
 *
 * Reads /proc, so Linux only.
 */
import { processState } from "./process-group.ts";
import { waitUntil } from "./wait.ts";

/** Stops them, runs `work`, and lets them go on in any case. */
export async function whilePaused<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  try {
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    await waitUntil("the processes stand still", () => pids.every((pid) => processState(pid) === "T"));
    return await work();
  } finally {
    for (const pid of pids) resume(pid);
  }
}

function resume(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // it was killed meanwhile
  }
}
