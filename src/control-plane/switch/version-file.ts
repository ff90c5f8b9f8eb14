/**
 * `.version`: the name of the active version as plain text, read with suspicion and replaced atomically
 * (replaced-file.ts).
 *
 * Runs in the primary. Knows nothing of the history and decides nothing: file-store.ts does. Reading never
 * blocks and never rejects, whatever lies there.
 */
import { isVersionName, type Version } from "../../core/version.ts";
import * as replaced from "./replaced-file.ts";
import { nodeFs, type StateFs } from "./state-fs.ts";

export const VERSION_FILE = ".version";
const MAX_BYTES = 1024;

export type VersionFileContent =
  | { readonly kind: "missing" }
  | { readonly kind: "sound"; readonly version: Version }
  /** `reason` is a sentence without its full stop. */
  | { readonly kind: "damaged"; readonly reason: string };

/** @param versions the configured ones, another name is damage; null when they are not known. */
export async function readVersionFile(
  folder: string,
  versions: ReadonlySet<Version> | null,
  fs: StateFs = nodeFs,
): Promise<VersionFileContent> {
  const found = await replaced.readSmallFile(folder, VERSION_FILE, MAX_BYTES, fs);
  return found.kind === "read" ? judge(found.bytes, versions) : found;
}

/** Replaces `.version`, like `replaceFile`. */
export async function writeVersionFile(
  folder: string,
  version: Version,
  { fs = nodeFs, ...options }: Omit<replaced.ReplaceOptions, "fs"> & { readonly fs?: StateFs },
): Promise<void> {
  await replaced.replaceFile(folder, VERSION_FILE, `${version}\n`, { fs, ...options });
}

/** At start: completes what a crash cut half way; sweeps leftovers. */
export async function finishMending(folder: string, fs: StateFs = nodeFs): Promise<void> {
  await replaced.finishMending(folder, VERSION_FILE, fs);
}

/** Removes what an interrupted write left beside `.version`. */
export async function sweepLeftovers(folder: string, fs: StateFs = nodeFs): Promise<void> {
  await replaced.sweepLeftovers(folder, VERSION_FILE, fs);
}

function judge(bytes: Buffer, versions: ReadonlySet<Version> | null): VersionFileContent {
  if (bytes.length > MAX_BYTES) return damaged("is larger than 1 KiB");
  const text = bytes.toString("utf8").trimEnd();
  if (text === "") return damaged("is empty");
  if (isVersionName(text)) {
    return (versions?.has(text) ?? true)
      ? { kind: "sound", version: text }
      : damaged(`names ${text}, which is not configured`);
  }
  return damaged(/[\r\n]/.test(text) ? "has several lines" : "does not hold the name of a version");
}

function damaged(reason: string): VersionFileContent {
  return { kind: "damaged", reason: `${VERSION_FILE} ${reason}` };
}
