/**
 * Whether a path is itself a mount point, such as a single file bound into a container. Linux only.
 *
 * Such a file cannot be replaced by a rename (EBUSY), so it could never be written safely.
 */
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";

/** Where the kernel lists the mounts that this process sees. */
const MOUNT_INFO = "/proc/self/mountinfo";

/** @returns false also where mounts cannot be listed. Never rejects. */
export async function isMountPoint(folder: string, name: string): Promise<boolean> {
  try {
    return mountPoints(await readFile(MOUNT_INFO, "utf8")).has(join(await realpath(folder), name));
  } catch {
    return false;
  }
}

/** The fifth field of each line; space, tab, newline and backslash are written there as octal (proc(5)). */
export function mountPoints(mountInfo: string): ReadonlySet<string> {
  const paths = mountInfo.split("\n").map((line) => line.split(" ")[4] ?? "");
  return new Set(paths.map((path) => unescapeOctal(path)));
}

function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
