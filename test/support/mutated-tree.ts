/**
 * A copy of the tree with one place of the sources broken: whatever is run from it must find out, or it proves nothing.
 *
 * Copies what the running file was made of: the sources, or what was compiled from them.
 */
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestEnd } from "./cleanup.ts";
import { ROOT } from "./root.ts";
import { tempDir } from "./temp-dir.ts";

export interface Mutant {
  /** The promise that it breaks: one of INVARIANTS. */
  readonly breaks: string;
  /** Ends the sentence "it is found out when …". */
  readonly how: string;
  /** Under src, without its extension. */
  readonly file: string;
  /** The same text in the sources and in what is compiled from them. */
  readonly from: string;
  readonly to: string;
  /** How often it stands there; once unless it says so. */
  readonly places?: number;
}

/** "ts" when this runs from its source, "js" when compiled. */
export const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

const TREE = fileURLToPath(new URL("../..", import.meta.url));

/**
 * @param parts the folders under test that are needed.
 * @param sources the folders and files of src that are; all of it unless told otherwise.
 * @returns the folder of the copy; it is removed when the test ends.
 */
export async function copiedTree(
  t: TestEnd,
  parts: readonly string[],
  sources: readonly string[] = ["."],
): Promise<string> {
  const tree = await tempDir(t, "mutant");
  for (const source of sources) {
    await cp(join(TREE, "src", source), join(tree, "src", source), { recursive: true });
  }
  for (const part of parts) {
    const copy = join(tree, "test", part);
    await mkdir(dirname(copy), { recursive: true });
    await cp(join(TREE, "test", part), copy, { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(tree, "node_modules"));
  await cp(join(ROOT, "package.json"), join(tree, "package.json"));
  return tree;
}

/** Breaks the copy. @throws Error when the place is not there, or not as often as it is said to be. */
export async function mutate(
  tree: string,
  { file, from, to, places = 1 }: Omit<Mutant, "breaks" | "how">,
): Promise<void> {
  const path = join(tree, "src", `${file}.${EXTENSION}`);
  const text = await readFile(path, "utf8");
  const found = text.split(from).length - 1;
  if (found !== places) {
    throw new Error(`${file} has ${JSON.stringify(from)} ${found} times; a mutant expects ${places}`);
  }
  await writeFile(
    path,
    text.replaceAll(from, () => to),
  );
}
