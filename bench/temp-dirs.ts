/** Folders of the bench: each removed when its user is done, all at the latest when the bench ends, however it does. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeDir } from "../test/support/temp-dir.ts";

const ours = new Set<string>();
let isWatching = false;

/** @returns its absolute path; it exists and is empty. */
export async function tempDirOfOurs(): Promise<string> {
  watch();
  const dir = await mkdtemp(join(tmpdir(), "traffic-switching-bench-"));
  ours.add(dir);
  return dir;
}

export async function removeDirOfOurs(dir: string): Promise<void> {
  ours.delete(dir);
  await removeDir(dir);
}

/** A signal ends the processes first: process-group.ts, which then lets it end us. */
function watch(): void {
  if (isWatching) return;
  isWatching = true;
  const removeAll = (): void => {
    for (const dir of ours) rmSync(dir, { recursive: true, force: true });
  };
  process.once("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.prependOnceListener(signal, removeAll);
}
