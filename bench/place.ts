/** Where things are, whether this runs from source (`bench/*.ts`) or compiled (`dist/bench/*.js`). */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const IS_SOURCE = import.meta.filename.endsWith(".ts");

/** The repository: the nearest folder above that has a package.json. */
export const ROOT = findRoot(import.meta.dirname);

export const RESULTS_DIR = join(ROOT, "bench", "results");

/** @param path of a program of ours from the repository's root, without its ending: `bench/load`. */
export function programPath(path: string): string {
  return IS_SOURCE ? join(ROOT, `${path}.ts`) : join(ROOT, "dist", `${path}.js`);
}

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "package.json"))) return dir;
    if (dir === dirname(dir)) throw new Error(`no package.json above ${from}`);
  }
}
