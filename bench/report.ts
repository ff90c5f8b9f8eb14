/** Samples to a summary, the summary to a table, both to a dated file. Measures nothing. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, resultName } from "./environment.ts";
import { RESULTS_DIR } from "./place.ts";
import { median, type Spread, spreadOf } from "./statistics.ts";

/** One contender in one round. */
export interface Sample {
  readonly contender: string;
  readonly round: number;
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** For each request, the whole process tree. */
  readonly cpuUs: number;
  readonly cpuUserUs: number;
  readonly cpuSystemUs: number;
  /** How much of one core it used: well below 1 says that the load or the backend was the limit. */
  readonly coreShare: number;
  readonly peakResidentMiB: number;
}

export interface Summary {
  readonly contender: string;
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly cpuUs: Spread;
  readonly cpuUserUs: Spread;
  readonly cpuSystemUs: Spread;
  readonly coreShare: Spread;
  readonly peakResidentMiB: Spread;
  /** Median over the rounds of CPU for each request against the reference's in the same round. */
  readonly cpuRatio: number | undefined;
}

export interface Claim {
  readonly claim: string;
  readonly ratio: number;
  readonly isHeld: boolean;
}

export function summarize(samples: readonly Sample[], reference: string): Summary[] {
  return groupsOf(samples).map(([contender, own]) => {
    const spread = (key: Exclude<keyof Sample, "contender">): Spread =>
      spreadOf(own.map((sample) => sample[key]));
    return {
      contender,
      requestsPerSecond: spread("requestsPerSecond"),
      p50Ms: spread("p50Ms"),
      p99Ms: spread("p99Ms"),
      cpuUs: spread("cpuUs"),
      cpuUserUs: spread("cpuUserUs"),
      cpuSystemUs: spread("cpuSystemUs"),
      coreShare: spread("coreShare"),
      peakResidentMiB: spread("peakResidentMiB"),
      cpuRatio: cpuRatio(samples, own, reference),
    };
  });
}

/** Undefined when one of the two did not run. */
export function checkClaim(
  samples: readonly Sample[],
  contender: string,
  reference: string,
): Claim | undefined {
  const own = samples.filter((sample) => sample.contender === contender);
  const ratio = own.length > 0 ? cpuRatio(samples, own, reference) : undefined;
  if (ratio === undefined) return undefined;
  return { claim: `CPU per request of ${contender} <= ${reference}`, ratio, isHeld: ratio <= 1 };
}

export function formatTable(summaries: readonly Summary[], reference: string): string {
  const head = [
    "",
    "req/s",
    "p50 ms",
    "p99 ms",
    "CPU us/req",
    "user+sys",
    "core",
    "peak MiB",
    `CPU / ${reference}`,
  ];
  const rows = summaries.map((summary) => [
    summary.contender,
    withRange(summary.requestsPerSecond, 0),
    withRange(summary.p50Ms, 2),
    withRange(summary.p99Ms, 2),
    withRange(summary.cpuUs, 1),
    `${summary.cpuUserUs.median.toFixed(1)}+${summary.cpuSystemUs.median.toFixed(1)}`,
    `${Math.round(summary.coreShare.median * 100)}%`,
    summary.peakResidentMiB.max.toFixed(0),
    summary.cpuRatio?.toFixed(2) ?? "-",
  ]);
  return alignColumns([head, ...rows]);
}

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

function cpuRatio(samples: readonly Sample[], own: readonly Sample[], reference: string): number | undefined {
  const ratios = own.flatMap(({ round, cpuUs }) => {
    const other = samples.find((sample) => sample.contender === reference && sample.round === round);
    return other ? [cpuUs / other.cpuUs] : [];
  });
  return ratios.length > 0 ? median(ratios) : undefined;
}

function groupsOf(samples: readonly Sample[]): [string, Sample[]][] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const group = groups.get(sample.contender);
    if (group) group.push(sample);
    else groups.set(sample.contender, [sample]);
  }
  return [...groups];
}
