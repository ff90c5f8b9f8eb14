/** Where things are, whether this runs from source (`bench/*.ts`) or compiled (`dist/bench/*.js`). */
import { join } from "node:path";
import { ROOT } from "../test/support/root.ts";

/** Whether what is started must be source too. */
export const IS_SOURCE = import.meta.filename.endsWith(".ts");

export { ROOT };

export const RESULTS_DIR = join(ROOT, "bench", "results");

/** @param path of a program of ours from the repository's root, without its ending: `bench/load`. @param root another tree's. */
export function programPath(path: string, root = ROOT): string {
  return IS_SOURCE ? join(root, `${path}.ts`) : join(root, "dist", `${path}.js`);
}
