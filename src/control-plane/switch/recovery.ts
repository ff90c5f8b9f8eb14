/**
 * Recovery: which of the two files says what serves after a start. Pure; file-store.ts reads and mends.
 *
 * | `.version`       | history's last entry                                | serves                     | `.version` then |
 * |------------------|-----------------------------------------------------|----------------------------|-----------------|
 * | gone             | any                                                 | config (a reset by hand)   | stays gone      |
 * | sound            | none, or the history is damaged                     | `.version`                 | stays           |
 * | sound            | intact, same version                                | `.version`                 | stays           |
 * | sound            | intact, another version that is configured          | the entry (a cut switch)   | mended          |
 * | sound            | intact, another version that is not configured      | `.version`                 | stays           |
 * | damaged          | intact, a configured version                        | the entry                  | mended          |
 * | damaged          | none, damaged, or a version that is not configured  | config                     | stays           |
 *
 * A crash while switching to v2 from v1 leaves, in the order of the writes: half a line (cut off: v1); a whole
 * line and the old `.version` (v2, which nobody had been told yet); both (v2).
 */
import type { Version } from "../../core/version.ts";
import type { RecoveredState, SwitchEntry } from "./state-store.ts";
import type { VersionFileContent } from "./version-file.ts";

export interface Recovery extends Pick<RecoveredState, "version" | "source"> {
  /** Whether `.version` is to be written anew with `version`. */
  readonly isToMend: boolean;
}

/** @param last the last entry of an intact history; null when there is none or the history is damaged. */
export function recover(
  versionFile: VersionFileContent,
  last: SwitchEntry | null,
  versions: ReadonlySet<Version>,
): Recovery {
  const config: Recovery = { version: null, source: "config", isToMend: false };
  if (versionFile.kind === "missing") return config;
  const named = versionFile.kind === "sound" ? versionFile.version : null;
  if (last !== null && last.to !== named && versions.has(last.to)) {
    return { version: last.to, source: "history", isToMend: true };
  }
  return named === null ? config : { version: named, source: "version_file", isToMend: false };
}
