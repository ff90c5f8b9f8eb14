/**
 * Build: which daemon this is, as /status, `build_info` and `--version` say it.
 *
 * Reads package.json once, when asked; works from the sources and from `dist/`.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StartError } from "../core/errors.ts";

export interface Build {
  readonly version: string;
  /** Version of Node.js, without the "v". */
  readonly node: string;
}

/** @throws StartError when no package.json of ours is in a folder above: the installation is broken. */
export function readBuild(): Build {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const version = versionIn(join(folder, "package.json"));
    if (version !== null) return { version, node: process.versions.node };
  }
  throw new StartError("the installation is broken: no package.json of traffic-switching beside the code", 1);
}

function versionIn(path: string): string | null {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null; // none here: one folder up
  }
  if (typeof found !== "object" || found === null || !("name" in found) || !("version" in found)) return null;
  return found.name === "traffic-switching" && typeof found.version === "string" ? found.version : null;
}
