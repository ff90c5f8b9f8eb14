/** The results as text for a terminal, as Markdown and as JSON. Pure. */
import { codecSection } from "../fuzz/codec/document.ts";
import { type Case, PROMISES } from "./case.ts";
import type { Column, Result } from "./compare.ts";

export interface Table {
  /** Such as 2026-11-20. */
  readonly date: string;
  readonly cases: readonly Case[];
  readonly columns: readonly Column[];
}

export const MARKS: Readonly<Record<Result["outcome"], string>> = { passed: "✓", failed: "✗", "n/a": "n/a" };

/** One line for each case under its promise, marks first; then the totals. */
export function toText({ cases, columns }: Table): string {
  const widths = columns.map(({ name }) => Math.max(name.length, "999/999".length) + 2);
  const line = (cells: readonly string[], end: string): string =>
    `${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("")}${end}`.trimEnd();
  const names = columns.map(({ name }) => name);
  const rows = promisesOf(cases).flatMap((promise) => [
    "",
    line(names, promise.toUpperCase()),
    ...cases.flatMap((one, index) => {
      const marks = columns.map(({ results }) => markOf(results[index]));
      return one.promise === promise ? [line(marks, one.says)] : [];
    }),
  ]);
  const totals = totalsOf(cases, columns).map(({ name, shares }) => line(shares, name));
  const versions = columns.map(({ version }) => version);
  return [...rows, "", line(names, "PASSED"), ...totals, line(versions, "version"), ""].join("\n");
}

/** What stands in docs/conformance.md. */
export function toMarkdown(table: Table): string {
  const { date, cases, columns } = table;
  const names = columns.map(({ name }) => name);
  const totals = totalsOf(cases, columns).map(({ name, shares }) => row([name, ...shares]));
  const rule = row(["---", ...columns.map(() => ":---:")]);
  const sections = promisesOf(cases).flatMap((promise) => [
    `### ${promise}`,
    "",
    row(["", ...names]),
    rule,
    ...cases.flatMap((one, index) => {
      const marks = columns.map(({ results }) => markOf(results[index]));
      return one.promise === promise
        ? [row([`${toLiteral(one.says)} (${toLiteral(one.source)})`, ...marks])]
        : [];
    }),
    "",
  ]);
  return `# Conformance

${cases.length} black-box cases over raw sockets, each in one sentence with its source, against this daemon and others. Run on
${date} with ${columns.map(({ name, version }) => `${name} ${version}`).join(", ")}.

\`npm run conformance -- --peers --markdown docs/conformance.md\` writes this file; a proxy that is not installed is left
out. \`npm run conformance -- --help\` says how to run it against any other. How each one is set is in
\`test/conformance/peers/\`, how to write a case in \`test/conformance/case.ts\`. "n/a": it has no setting for it, or the case is
about something that this daemon alone promises.

## Totals

Passed, of those that could be asked of it.

${[row(["promise", ...names]), rule, ...totals].join("\n")}

## Cases

${sections.join("\n")}
## What was seen instead

${columns.map((column) => failuresOf(column, cases)).join("\n")}
${codecSection()}`;
}

export function toJson({ date, cases, columns }: Table): string {
  const json = {
    date,
    node: process.version,
    proxies: columns.map(({ name, version, results }) => ({
      name,
      version,
      passed: count(results, "passed"),
      failed: count(results, "failed"),
      notApplicable: count(results, "n/a"),
    })),
    cases: cases.map(({ promise, says, source }, index) => ({
      promise,
      says,
      source,
      results: Object.fromEntries(columns.map(({ name, results }) => [name, results[index]])),
    })),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

export function count(results: readonly Result[], outcome: Result["outcome"]): number {
  return results.filter((result) => result.outcome === outcome).length;
}

function failuresOf({ name, version, results }: Column, cases: readonly Case[]): string {
  const failed = cases.flatMap(({ says }, index) => {
    const result = results[index];
    return result?.outcome === "failed" ? [`- ${toLiteral(says)}: ${toLiteral(result.seen ?? "")}`] : [];
  });
  if (failed.length === 0) return `${name} ${version}: nothing failed.\n`;
  const summary = `<summary>${name} ${version}: ${failed.length} failed</summary>`;
  return ["<details>", summary, "", ...failed, "", "</details>", ""].join("\n");
}

/** `12/14` for each column: passed, of those that ran. */
function totalsOf(cases: readonly Case[], columns: readonly Column[]): { name: string; shares: string[] }[] {
  const sharesOf = (isMeant: (one: Case) => boolean): string[] =>
    columns.map(({ results }) => {
      const meant = results.filter((_result, index) => cases[index] && isMeant(cases[index]));
      const passed = count(meant, "passed");
      return `${passed}/${passed + count(meant, "failed")}`;
    });
  return [
    ...promisesOf(cases).map((promise) => ({
      name: promise,
      shares: sharesOf((one) => one.promise === promise),
    })),
    { name: "all", shares: sharesOf(() => true) },
  ];
}

function promisesOf(cases: readonly Case[]): string[] {
  return PROMISES.filter((promise) => cases.some((one) => one.promise === promise));
}

function markOf(result: Result | undefined): string {
  return result ? MARKS[result.outcome] : "";
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Markdown's own characters, and those of HTML. */
function toLiteral(text: string): string {
  return text
    .replace(/[\\`*_[\]|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;");
}
