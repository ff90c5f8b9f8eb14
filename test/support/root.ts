/** Where the repository is, whether this runs from its source or compiled in dist/. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The nearest folder above that has a package.json. */
export const ROOT = findRoot(import.meta.dirname);

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "package.json"))) return dir;
    if (dir === dirname(dir)) throw new Error(`no package.json above ${from}`);
  }
}
