/** What every bench reports with: columns of text, and a dated file in bench/results. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, resultName } from "./environment.ts";
import { RESULTS_DIR } from "./place.ts";
import type { Spread } from "./statistics.ts";

/** The first column to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return rows.map(line).join("\n");
}

/** @returns the path written. */
export async function writeReport(prefix: string, env: Environment, content: object): Promise<string> {
  await mkdir(RESULTS_DIR, { recursive: true });
  const path = join(RESULTS_DIR, `${prefix}${resultName(env)}.json`);
  await writeFile(path, `${JSON.stringify({ environment: env, ...content }, null, 1)}\n`);
  return path;
}

export function withRange({ median: middle, min, max }: Spread, digits: number): string {
  return `${middle.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`;
}
