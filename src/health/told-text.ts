/**
 * Told text: what a backend said, made fit for a sentence that people read in a terminal, a log or a page. Pure.
 *
 * Short, in one line, and without anything that the probe itself had sent as a secret.
 */
import type { ProbeField } from "../config/probe-values.ts";

/** So that the longest sentence about a probe stays below what the history keeps of it. */
const MAX_TOLD_LENGTH = 40;
/** Shorter words, such as `yes` and `1`, are in many answers and are no secrets. */
const SHORTEST_SECRET = 4;

/** Cut, and what would draw on a terminal or turn a line around replaced. */
export function brief(text: string): string {
  const line = text
    .slice(0, MAX_TOLD_LENGTH * 4) // runs of blanks become one
    .replace(/\s+/gu, " ")
    .replace(/[\p{Cc}\p{Cf}]/gu, "\ufffd")
    .trim();
  const isCut = line.length > MAX_TOLD_LENGTH || text.length > MAX_TOLD_LENGTH * 4;
  return isCut ? `${line.slice(0, MAX_TOLD_LENGTH).toWellFormed()}…` : line.toWellFormed();
}

/** What a backend could give away of these fields: a value, or a word of it, as of `Bearer …` or a cookie. */
export function secretsOf(fields: readonly ProbeField[]): readonly string[] {
  return fields.flatMap(({ value }) => [value, ...value.split(/[^\w.~+/-]+/)]).filter(isLongEnough);
}

const isLongEnough = (word: string): boolean => word.length >= SHORTEST_SECRET;

/** `brief`, unless the text repeats one of the secrets anywhere: a cut could leave a part of it. */
export function toldText(text: string, secrets: readonly string[], quote = ""): string {
  if (text === "") return "nothing";
  const isRepeated = secrets.some((secret) => text.includes(secret));
  return isRepeated ? "a part of the probe's headers (not shown)" : quote + brief(text) + quote;
}
