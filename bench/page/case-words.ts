/** What a case and a figure are called in a language; a case without words is called as its result calls it. */
import { type CaseResult, METRICS, type MetricName } from "../result.ts";
import type { Words } from "./words.ts";

type Named = Pick<CaseResult, "name" | "about">;

export function titleOf({ name, about }: Named, words: Words): string {
  return words.cases[name]?.title ?? about;
}

export function aboutOf({ name, about }: Named, words: Words): string {
  return words.cases[name]?.about ?? `${about}.`;
}

/** `µs/request`; empty where the figure has no unit. */
export function unitOf(metric: MetricName, unit: string, words: Words): string {
  const word = words.units[unit] ?? unit;
  const plural = words.suffix === "" && unit !== "GiB" ? `${word}s` : word;
  const connection = words.units.connection ?? "connection";
  const inUnit = METRICS[metric].unit.replace("connection", connection);
  return inUnit.replace("UNITs", plural).replace("UNIT", word);
}

/** `CPU µs/request` */
export function headOf(metric: MetricName, unit: string, words: Words): string {
  return `${words.metrics[metric]} ${unitOf(metric, unit, words)}`.trim();
}
