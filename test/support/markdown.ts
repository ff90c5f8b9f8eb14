/**
 * Markdown: what the tests of README and docs read from a page: its checked tables, headings, code blocks, links.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const ROOT = rootAbove(import.meta.dirname);

/** The sources and the compiled tests lie at different depths. */
function rootAbove(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : rootAbove(dirname(folder));
}

/** @param path from the root. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The rows of the table after its mark; every cell as it is written. Fails unless there is exactly one. */
export function checkedTable(text: string, name: string): string[][] {
  const [, after, ...more] = text.split(`<!-- checked: ${name} -->\n`);
  assert.ok(after !== undefined && more.length === 0, `one table "${name}"`);
  const [table = ""] = after.split("\n\n", 1);
  return table
    .split("\n")
    .slice(2) // head and rule
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** What stands in backquotes, several times or once; `-` is nothing. */
export function quoted(cell: string | undefined): string[] {
  const found = [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, inside = ""]) => inside);
  assert.ok(found.length > 0 || cell === "-", `"${cell}" holds a value in backquotes, or is -`);
  return found;
}

export function key(cell: string | undefined): string | null {
  return quoted(cell)[0] ?? null;
}

/** What two languages of one page have in common: its shape, and what may not be translated. */
export function shapeOf(text: string): object {
  return {
    levels: headingsOf(text).map(({ level }) => level),
    tables: [...text.matchAll(/<!-- checked: .* -->/g)].map(([mark]) => mark),
    rows: text.split("\n").filter((line) => line.startsWith("|")).length,
    points: text.split("\n").filter((line) => line.startsWith("- ")).length,
    blocks: codeBlocksOf(text),
  };
}

/** Fails unless every heading and file that a link names exists. @param folder of the page, from the root. */
export function assertLinksLead(text: string, folder = "."): void {
  const anchors = headingsOf(text).map(({ anchor }) => `#${anchor}`);
  for (const [, target = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
    const [path = "", anchor] = target.split("#", 2);
    if (path === "") assert.ok(anchors.includes(target), target);
    else assert.ok(existsSync(join(ROOT, folder, path)), target);
    if (path === "" || anchor === undefined) continue;
    const there = headingsOf(readText(join(folder, path))).map((heading) => heading.anchor);
    assert.ok(there.includes(anchor), target);
  }
}

/** Text outside of code blocks: a # in there is a comment. */
export function headingsOf(text: string): { level: number; anchor: string }[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/^(#+) (.+)$/gm)].map(([, marks = "", title = ""]) => ({
    level: marks.length,
    anchor: title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  }));
}

/** Drawings and lists of folders (`text`) may be translated; commands, configs and answers may not. */
function codeBlocksOf(text: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", body = ""]) =>
    language === "text" ? "text" : `${language}\n${body}`,
  );
}
