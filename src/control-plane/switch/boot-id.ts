/**
 * The id of this boot of the machine: tells whether a monotonic time on disk can still be compared.
 */
import { readFileSync } from "node:fs";

/** What stands for "cannot be known": never taken for the same boot. */
export const UNKNOWN_BOOT = "unknown";

/** @returns the kernel's boot id, or `UNKNOWN_BOOT` where there is none to read. Never throws. */
export function readBootId(path = "/proc/sys/kernel/random/boot_id"): string {
  try {
    return readFileSync(path, "utf8").trim() || UNKNOWN_BOOT;
  } catch {
    return UNKNOWN_BOOT;
  }
}
