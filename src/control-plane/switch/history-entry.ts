/**
 * One line of the history: its shape, its hash, and how it is tied to the line before.
 *
 * Pure. The hash is the SHA-256 of the canonical JSON of the whole entry without `hash`; `prev` is inside, so
 * a line that was changed, removed or put elsewhere breaks the chain. Members that a later release may add
 * are kept and hashed like the others.
 */
import { z } from "zod";
import { canonicalJson, sha256 } from "./canonical-json.ts";
import type { HistoryEntry, NewHistoryEntry } from "./state-store.ts";

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const entrySchema = z.looseObject({
  epoch: z
    .int()
    .min(1)
    .max(2 ** 50),
  from: z.string(),
  to: z.string(),
  at: z.iso.datetime(),
  trigger: z.enum(["switch", "rollback", "fail-over"]),
  forced: z.boolean(),
  reason: z.string().nullable(),
  actor: z.string(),
  duration_ms: z.number(),
  gate: z.looseObject({ outcome: z.enum(["passed", "skipped"]), workers: z.array(z.unknown()) }),
  clock: z.looseObject({ boot_id: z.string(), monotonic_ms: z.number() }),
  idempotency: z.looseObject({ key_sha256: sha256Schema, body_sha256: sha256Schema }).nullable(),
  prev: z.union([z.literal(""), sha256Schema]),
  hash: sha256Schema,
});

/** Ties an entry to the one before it; `previous` is null for the first. */
export function seal(entry: NewHistoryEntry, previous: HistoryEntry | null): HistoryEntry {
  const linked = { ...entry, prev: previous?.hash ?? "" };
  return { ...linked, hash: hashOf(linked) };
}

/** @returns the entry, or null when the line is not the JSON of one. Says nothing of its place in the chain. */
export function parseEntry(line: string): HistoryEntry | null {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** What is wrong with `entry` as the one that follows `previous`; null when nothing is. */
export function brokenLink(entry: HistoryEntry, previous: HistoryEntry | null): string | null {
  const { hash, ...rest } = entry;
  if (hashOf(rest) !== hash) return "its hash does not fit its content";
  if (entry.prev !== (previous?.hash ?? "")) return "it does not follow the line before it";
  if (entry.epoch !== (previous?.epoch ?? 0) + 1) return "its epoch does not follow the one before it";
  return null;
}

function hashOf(entryWithoutHash: object): string {
  return sha256(canonicalJson(entryWithoutHash));
}
