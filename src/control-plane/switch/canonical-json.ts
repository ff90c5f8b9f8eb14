/**
 * Canonical JSON and SHA-256: equal values give equal text, whatever their key order and white space were.
 *
 * Pure. Takes what `JSON.parse` gives; numbers are written as `JSON.stringify` writes them.
 */
import { createHash } from "node:crypto";

/** @returns the value as JSON without white space, the keys of every object sorted by code unit. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** @returns the SHA-256 of the text's UTF-8 bytes, 64 hexadecimal digits in lower case. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
