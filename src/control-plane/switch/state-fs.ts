/**
 * The file operations of the state folder, and the few steps that both of its files need.
 *
 * Runs in the primary. `StateFs` is a part of node:fs/promises; a test hands in one that fails or stops
 * at a chosen call. Nothing here knows what the files mean.
 */
import { constants, type Stats } from "node:fs";
import * as promises from "node:fs/promises";
import { ProxyError } from "../../core/errors.ts";

export type StateFs = Pick<typeof promises, "open" | "rename" | "rm" | "lstat">;

export const nodeFs: StateFs = promises;

/** Never follows a link and never waits for the other end of a pipe. */
export const SAFE_OPEN = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export type Kind = "missing" | "file" | "directory" | "pipe" | "socket" | "symbolic link" | "device";

/** What lies at `path`; a link is not followed. Rejects when even that cannot be told. */
export async function kindOf(fs: StateFs, path: string): Promise<Kind> {
  try {
    return kindOfStats(await fs.lstat(path));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "missing";
    throw error;
  }
}

/** Makes the names in a folder durable. A file system that cannot do that is taken as it is. */
export async function syncFolder(fs: StateFs, folder: string): Promise<void> {
  const handle = await fs.open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(errorCode(error))) throw error;
  } finally {
    await handle.close();
  }
}

/** Renames `path` to `path.damaged-<wallMs>`, or the next free name like it. Deletes nothing. */
export async function moveAside(fs: StateFs, path: string, wallMs: number): Promise<void> {
  const aside = `${path}.damaged-${Math.round(wallMs)}`;
  let free = aside;
  for (let turn = 2; (await kindOf(fs, free)) !== "missing"; turn++) free = `${aside}-${turn}`;
  await fs.rename(path, free);
}

/** The `code` of a system error, "" when there is none. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}

/** For sentences: the system's code, or else the message. */
export function errorText(error: unknown): string {
  if (error instanceof ProxyError) return error.message;
  return errorCode(error) || (error instanceof Error ? error.message : String(error));
}

function kindOfStats(stats: Stats): Kind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isFIFO()) return "pipe";
  if (stats.isSocket()) return "socket";
  return stats.isSymbolicLink() ? "symbolic link" : "device";
}
