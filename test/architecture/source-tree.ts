/**
 * The source as the rules see it: each file's text and what it imports. Pure, but for `readTree`.
 *
 * Finds imports with regular expressions: Biome has put every import statement at the start of a line.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface Import {
  /** A file of the tree (`core/clock.ts`), or a package or `node:` module as it was written. */
  readonly to: string;
  readonly isOurs: boolean;
  /** Erased when compiled: `import type`, or `import("…")` as a type. */
  readonly isType: boolean;
  /** `await import("…")` and `process.getBuiltinModule("…")` load when the code comes to them. */
  readonly how: "statement" | "call" | "by name";
}

export interface SourceFile {
  /** From the root of the tree: `core/clock.ts`. */
  readonly path: string;
  /** The folder or file below the root: `core`, `main.ts`. */
  readonly part: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?"([^"]+)"/gm;
const CALL = /\b(typeof\s+|await\s+)?import\(\s*"([^"]+)"\s*\)/g;
const BUILTIN = /\bprocess\.getBuiltinModule\(\s*"([^"]+)"\s*\)/g;

/** Every .ts file below `dir`, by path. */
export function readTree(dir: string): SourceFile[] {
  const paths = readdirSync(dir, { recursive: true }).map(String);
  const files = paths.filter((path) => path.endsWith(".ts")).map((path) => path.replaceAll("\\", "/"));
  return makeTree(
    Object.fromEntries(files.sort().map((path) => [path, readFileSync(join(dir, path), "utf8")])),
  );
}

/** @param texts by path, from the root of the tree. */
export function makeTree(texts: Readonly<Record<string, string>>): SourceFile[] {
  return Object.entries(texts).map(([path, text]) => ({
    path,
    part: path.split("/")[0] ?? path,
    text,
    imports: importsOf(path, text),
  }));
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean, how: Import["how"]): void => {
    const isOurs = specifier.startsWith(".");
    const to = isOurs ? posix.join(posix.dirname(path), specifier) : specifier;
    found.push({ to, isOurs, isType, how });
  };
  for (const [, type, specifier = ""] of text.matchAll(STATEMENT))
    add(specifier, type !== undefined, "statement");
  for (const [, before = "", specifier = ""] of text.matchAll(CALL))
    add(specifier, !before.startsWith("await"), "call");
  for (const [, specifier = ""] of text.matchAll(BUILTIN)) add(specifier, false, "by name");
  return found;
}

/** `@scope/name` or `name` of what was imported; undefined for our own files and for `node:` modules. */
export function packageOf({ to, isOurs }: Import): string | undefined {
  if (isOurs || to.startsWith("node:")) return undefined;
  return to
    .split("/")
    .slice(0, to.startsWith("@") ? 2 : 1)
    .join("/");
}
