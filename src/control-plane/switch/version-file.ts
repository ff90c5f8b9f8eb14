/**
 * `.version`: the name of the active version as plain text, read with suspicion and replaced atomically.
 *
 * Runs in the primary. Knows nothing of the history and decides nothing: file-store.ts does. Reading never
 * blocks and never rejects, whatever lies there.
 *
 * A thing that is no regular file cannot be replaced by one rename: it is moved aside first, and for a moment
 * there is no `.version`, which would mean "reset by hand". So the new content waits, durable, as
 * `.version.mending` meanwhile, and `finishMending` completes what a crash cut at that point.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { isVersionName, type Version } from "../../core/version.ts";
import { errorText, kindOf, moveAside, nodeFs, SAFE_OPEN, type StateFs, syncFolder } from "./state-fs.ts";

export const VERSION_FILE = ".version";
const BESIDE = ".version.tmp";
const MENDING = ".version.mending";
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
  try {
    return await read(join(folder, VERSION_FILE), versions, fs);
  } catch (error) {
    return damaged(`cannot be read (${errorText(error)})`);
  }
}

/**
 * Replaces `.version`; durable when it resolves. What is no regular file is moved aside, never deleted.
 * `beforeReplacing` may throw when nothing but the new content beside it has been written.
 * Rejects with the system's error; the old content is then still there unless the very last step (the fsync
 * of the folder) failed.
 */
export async function writeVersionFile(
  folder: string,
  version: Version,
  {
    wallMs,
    fs = nodeFs,
    beforeReplacing,
  }: { wallMs: number; fs?: StateFs; beforeReplacing?: (() => void) | undefined },
): Promise<void> {
  const path = join(folder, VERSION_FILE);
  const kind = await kindOf(fs, path);
  const isInTheWay = kind !== "file" && kind !== "missing";
  const beside = join(folder, isInTheWay ? MENDING : BESIDE);
  await writeWhole(fs, beside, `${version}\n`);
  beforeReplacing?.();
  if (isInTheWay) {
    await syncFolder(fs, folder);
    await moveAside(fs, path, wallMs);
  }
  await fs.rename(beside, path);
  await syncFolder(fs, folder);
}

/** At start: completes a replacement that a crash cut while the old thing was already aside; sweeps leftovers. */
export async function finishMending(folder: string, fs: StateFs = nodeFs): Promise<void> {
  const path = join(folder, VERSION_FILE);
  const mending = join(folder, MENDING);
  if ((await kindOf(fs, path)) === "missing" && (await kindOf(fs, mending)) === "file") {
    await fs.rename(mending, path);
    await syncFolder(fs, folder);
  }
  await sweepLeftovers(folder, fs);
}

/** Removes what an interrupted write left beside `.version`. */
export async function sweepLeftovers(folder: string, fs: StateFs = nodeFs): Promise<void> {
  for (const name of [BESIDE, MENDING]) await fs.rm(join(folder, name), { force: true });
}

async function read(
  path: string,
  versions: ReadonlySet<Version> | null,
  fs: StateFs,
): Promise<VersionFileContent> {
  const kind = await kindOf(fs, path);
  if (kind === "missing") return { kind };
  if (kind !== "file") return damaged(`is a ${kind}, not a file`);
  const handle = await fs.open(path, constants.O_RDONLY | SAFE_OPEN);
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return judge(buffer.subarray(0, bytesRead), versions);
  } finally {
    await handle.close();
  }
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

async function writeWhole(fs: StateFs, path: string, text: string): Promise<void> {
  await fs.rm(path, { force: true }); // a leftover, whatever it is
  const handle = await fs.open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | SAFE_OPEN,
    0o644,
  );
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
