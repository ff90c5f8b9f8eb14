/** Another commit of this repository, checked out beside it and built the way this one runs. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IS_SOURCE, ROOT } from "./place.ts";
import { removeDirOfOurs, tempDirOfOurs } from "./temp-dirs.ts";

const RUN_LIMIT_MS = 300_000;

export interface OtherTree {
  readonly root: string;
  /** Short hash. */
  readonly commit: string;
  remove(): Promise<void>;
}

/** @throws Error when there is no such commit, or it does not build. */
export async function checkOut(ref: string): Promise<OtherTree> {
  const commit = (await git("rev-parse", "--verify", "--short", `${ref}^{commit}`)).trim();
  const dir = await tempDirOfOurs();
  const root = join(dir, "tree");
  const remove = async (): Promise<void> => {
    await removeDirOfOurs(dir);
    await git("worktree", "prune");
  };
  try {
    await git("worktree", "add", "--detach", root, commit);
    await bringPackages(root);
    if (!IS_SOURCE) await build(root);
    return { root, commit, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function bringPackages(root: string): Promise<void> {
  const lockOf = (tree: string): string => readFileSync(join(tree, "package-lock.json"), "utf8");
  if (lockOf(root) === lockOf(ROOT)) {
    await symlink(realpathSync(join(ROOT, "node_modules")), join(root, "node_modules"));
  } else {
    await run("npm", ["ci", "--no-audit", "--no-fund"], root);
  }
}

/** Types that do not fit do not keep it from running. */
async function build(root: string): Promise<void> {
  const failure = await run(join(root, "node_modules", ".bin", "tsc"), ["-p", "."], root).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!existsSync(join(root, "dist", "src", "main.js")))
    throw new Error("it does not build", { cause: failure });
}

async function git(...args: readonly string[]): Promise<string> {
  return await run("git", ["-C", ROOT, ...args], ROOT);
}

async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return (await promisify(execFile)(program, args, { cwd, timeout: RUN_LIMIT_MS })).stdout;
}
