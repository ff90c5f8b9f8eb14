/**
 * Build: which daemon this is, as /status and `build_info` say it.
 */
import { packageVersion } from "../config/package-version.ts";

export interface Build {
  readonly version: string;
  /** Version of Node.js, without the "v". */
  readonly node: string;
}

export function readBuild(): Build {
  return { version: packageVersion(), node: process.versions.node };
}
