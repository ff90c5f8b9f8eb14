/**
 * Replaced file: a small file of the state folder that is read with suspicion and replaced atomically and durably.
 *
 * Runs in the primary. Knows nothing of what the file means; version-file.ts and backends-file.ts do.
 *
 * A thing that is no regular file cannot be replaced by one rename: it is moved aside first, and for a moment
 * there is no file of that name, which would mean "reset by hand". So the new content waits, durable, as
 * `<name>.mending` meanwhile, and `finishMending` completes what a crash cut at that point.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { errorText, kindOf, moveAside, SAFE_OPEN, type StateFs, syncFolder } from "./state-fs.ts";

export type FoundFile =
  | { readonly kind: "missing" }
  /** At most one byte more than was asked for. */
  | { readonly kind: "read"; readonly bytes: Buffer }
  /** `reason` is a sentence without its full stop. */
  | { readonly kind: "damaged"; readonly reason: string };

export interface ReplaceOptions {
  readonly wallMs: number;
  readonly fs: StateFs;
  /** May throw, when nothing but the new content beside the file has been written. */
  readonly beforeReplacing?: (() => void) | undefined;
}

const CHUNK_BYTES = 64 * 1024;

const besideOf = (name: string): string => `${name}.tmp`;
const mendingOf = (name: string): string => `${name}.mending`;

/** Never blocks and never rejects, whatever lies there. */
export async function readSmallFile(
  folder: string,
  name: string,
  maxBytes: number,
  fs: StateFs,
): Promise<FoundFile> {
  try {
    const path = join(folder, name);
    const kind = await kindOf(fs, path);
    if (kind === "missing") return { kind };
    if (kind !== "file") return { kind: "damaged", reason: `${name} is a ${kind}, not a file` };
    return { kind: "read", bytes: await readUpTo(path, maxBytes + 1, fs) };
  } catch (error) {
    return { kind: "damaged", reason: `${name} cannot be read (${errorText(error)})` };
  }
}

async function readUpTo(path: string, maxBytes: number, fs: StateFs): Promise<Buffer> {
  const handle = await fs.open(path, constants.O_RDONLY | SAFE_OPEN);
  try {
    const chunks: Buffer[] = [];
    for (let left = maxBytes; left > 0; ) {
      const chunk = Buffer.alloc(Math.min(left, CHUNK_BYTES));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      chunks.push(chunk.subarray(0, bytesRead));
      left -= bytesRead;
      if (bytesRead < chunk.length) break; // of a file that is its end
    }
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

/**
 * Replaces the file; durable when it resolves. What is no regular file is moved aside, never deleted.
 * Rejects with the system's error; the old content is then still there unless the very last step (the fsync
 * of the folder) failed.
 */
export async function replaceFile(
  folder: string,
  name: string,
  text: string,
  { wallMs, fs, beforeReplacing }: ReplaceOptions,
): Promise<void> {
  const path = join(folder, name);
  const kind = await kindOf(fs, path);
  const isInTheWay = kind !== "file" && kind !== "missing";
  const beside = join(folder, isInTheWay ? mendingOf(name) : besideOf(name));
  await writeWhole(fs, beside, text);
  beforeReplacing?.();
  if (isInTheWay) {
    await syncFolder(fs, folder);
    await moveAside(fs, path, wallMs);
  }
  await fs.rename(beside, path);
  await syncFolder(fs, folder);
}

/** At start: completes a replacement that a crash cut while the old thing was already aside; sweeps leftovers. */
export async function finishMending(folder: string, name: string, fs: StateFs): Promise<void> {
  const path = join(folder, name);
  const mending = join(folder, mendingOf(name));
  if ((await kindOf(fs, path)) === "missing" && (await kindOf(fs, mending)) === "file") {
    await fs.rename(mending, path);
    await syncFolder(fs, folder);
  }
  await sweepLeftovers(folder, name, fs);
}

/** Removes what an interrupted write left beside the file. */
export async function sweepLeftovers(folder: string, name: string, fs: StateFs): Promise<void> {
  for (const each of [besideOf(name), mendingOf(name)]) await fs.rm(join(folder, each), { force: true });
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
