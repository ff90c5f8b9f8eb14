/**
 * .dockerignore: which files of the build context an engine sees. Pure.
 *
 * The last pattern that matches a path, or one of the folders it is in, decides; `!` takes it back in.
 *
 * @see https://docs.docker.com/build/concepts/context/#dockerignore-files
 */
import { matchesGlob } from "node:path";

/** @returns whether the file at `path` (relative, with `/`) is left out. */
export function createIgnore(text: string): (path: string) => boolean {
  const patterns = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({
      isBack: line.startsWith("!"),
      glob: line.replace(/^!/, "").replace(/^\/|\/$/g, ""),
    }));
  return (path) => {
    const parts = path.split("/");
    const withFolders = parts.map((_part, index) => parts.slice(0, index + 1).join("/"));
    const last = patterns.findLast(({ glob }) => withFolders.some((one) => isMatch(one, glob)));
    return last !== undefined && !last.isBack;
  };
}

/** Go's filepath.Match knows no hidden files: `*` matches `.git` too, which node's globs leave out. */
function isMatch(path: string, glob: string): boolean {
  const visible = (text: string): string => text.replace(/(^|\/)\./g, "$1dot.");
  return matchesGlob(visible(path), visible(glob));
}
