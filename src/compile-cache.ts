/**
 * Compile cache: Node.js keeps what V8 made of our modules, so that the next start has less to compile.
 *
 * What lies there is executed, so it is a folder that nobody else can write: beside the code, made by us
 * with mode 0700, or root's, as in an image. Where there is none and none can be made, the daemon starts without.
 * An operator's NODE_COMPILE_CACHE goes first, and NODE_DISABLE_COMPILE_CACHE turns both off.
 */
const { lstatSync, mkdirSync } = process.getBuiltinModule("node:fs");
const { enableCompileCache, getCompileCacheDir } = process.getBuiltinModule("node:module");
const { join } = process.getBuiltinModule("node:path");

/** Beside `dist/src`: whoever can put another folder there can change the code itself. A build starts with none. */
const FOLDER = join(import.meta.dirname, "..", "compile-cache");

/** Written when a process ends. From source there is none: it would be for whoever edits it. */
export function useCompileCache(): void {
  if (getCompileCacheDir() !== undefined || process.env.NODE_DISABLE_COMPILE_CACHE) return;
  if (import.meta.filename.endsWith(".js") && isSafe(FOLDER)) enableCompileCache(FOLDER);
}

/** Makes the folder when it is not there. @returns whether nobody but us and root can write it. */
export function isSafe(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch {
    // it is there, or cannot be made
  }
  const found = lstatSync(folder, { throwIfNoEntry: false });
  const isOwned = found?.uid === 0 || found?.uid === process.geteuid?.();
  return found?.isDirectory() === true && isOwned && (found.mode & 0o022) === 0;
}
