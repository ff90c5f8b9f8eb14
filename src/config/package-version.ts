/**
 * Package version: the version in our own package.json, as `--version`, /status and `build_info` say it.
 *
 * Looks for the file upwards, since compiled and source files lie at different depths below it.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

const packageSchema = z.object({ name: z.literal("traffic-switching"), version: z.string() });

/** @returns `0.0.0` when the file is not shipped; never throws. */
export function packageVersion(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const version = versionIn(join(folder, "package.json"));
    if (version !== undefined) return version;
  }
  return "0.0.0";
}

function versionIn(path: string): string | undefined {
  try {
    return packageSchema.parse(JSON.parse(readFileSync(path, "utf8"))).version;
  } catch {
    return undefined; // not there, or not ours: the next folder up may be
  }
}
