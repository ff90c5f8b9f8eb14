/**
 * One line of the history: its shape, its hash, and how it is tied to the line before.
 *
 * Pure. The hash is the SHA-256 of the canonical JSON of the whole entry without `hash`; `prev` is inside, so
 * a line that was changed, removed or put elsewhere breaks the chain. Members that a later release may add
 * are kept and hashed like the others.
 */
import { z } from "zod";
import { BACKEND_ACTIONS, MAX_WEIGHT } from "../pools/changes.ts";
import { canonicalJson, sha256 } from "./canonical-json.ts";
import type { BackendsEntry, HistoryEntry, SwitchEntry } from "./state-store.ts";

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const epoch = (min: number) =>
  z
    .int()
    .min(min)
    .max(2 ** 50);
const clock = z.looseObject({ boot_id: z.string(), monotonic_ms: z.number() });
const link = { prev: z.union([z.literal(""), sha256Schema]), hash: sha256Schema };

const switchSchema = z.looseObject({
  epoch: epoch(1),
  from: z.string(),
  to: z.string(),
  at: z.iso.datetime(),
  trigger: z.enum(["switch", "rollback", "fail-over"]),
  forced: z.boolean(),
  reason: z.string().nullable(),
  actor: z.string(),
  duration_ms: z.number(),
  gate: z.looseObject({ outcome: z.enum(["passed", "skipped"]), workers: z.array(z.unknown()) }),
  clock,
  idempotency: z.looseObject({ key_sha256: sha256Schema, body_sha256: sha256Schema }).nullable(),
  ...link,
});

/** What is in force for one backend, in the history and in `.backends.json`. */
export const changeSchema = z.strictObject({
  version: z.string(),
  backend: z.string(),
  presence: z.enum(["added", "removed", "kept"]),
  weight: z.number().min(0).max(MAX_WEIGHT).nullable(),
  drained: z.boolean(),
});

const backendsSchema = z
  .looseObject({
    epoch: epoch(0),
    trigger: z.literal("backends"),
    version: z.string(),
    backend: z.string().nullable(),
    action: z.enum(BACKEND_ACTIONS),
    weight: z.number().nullable(),
    forced: z.boolean(),
    reason: z.string().nullable(),
    actor: z.string(),
    at: z.iso.datetime(),
    clock,
    in_force: changeSchema.nullable(),
    from_nothing: z.boolean(),
    changes_sha256: sha256Schema,
    ...link,
  })
  .refine(
    ({ in_force: inForce, version, backend }) =>
      inForce === null || (inForce.version === version && inForce.backend === backend),
  );

const entrySchema = z.discriminatedUnion("trigger", [switchSchema, backendsSchema]);

/** An entry that has no place in the chain yet. */
export type Unsealed<Entry> = Omit<Entry, "prev" | "hash">;

/** Ties an entry to the one before it; `previous` is null for the first. */
export function seal(entry: Unsealed<SwitchEntry>, previous: HistoryEntry | null): SwitchEntry;
export function seal(entry: Unsealed<BackendsEntry>, previous: HistoryEntry | null): BackendsEntry;
export function seal(
  entry: Unsealed<SwitchEntry> | Unsealed<BackendsEntry>,
  previous: HistoryEntry | null,
): HistoryEntry;
export function seal(
  entry: Unsealed<SwitchEntry> | Unsealed<BackendsEntry>,
  previous: HistoryEntry | null,
): HistoryEntry {
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

export function isSwitch(entry: HistoryEntry): entry is SwitchEntry {
  return entry.trigger !== "backends";
}

export function isOfBackends(entry: HistoryEntry): entry is BackendsEntry {
  return entry.trigger === "backends";
}

/** The epoch of `entry` when it follows `previous`: a switch has the next one, anything else the same. */
export function epochAfter(previous: HistoryEntry | null, entry: HistoryEntry): number {
  return (previous?.epoch ?? 0) + (isSwitch(entry) ? 1 : 0);
}

/** What is wrong with `entry` as the one that follows `previous`; null when nothing is. */
export function brokenLink(entry: HistoryEntry, previous: HistoryEntry | null): string | null {
  const { hash, ...rest } = entry;
  if (hashOf(rest) !== hash) return "its hash does not fit its content";
  if (entry.prev !== (previous?.hash ?? "")) return "it does not follow the line before it";
  if (entry.epoch !== epochAfter(previous, entry)) return "its epoch does not follow the one before it";
  return null;
}

function hashOf(entryWithoutHash: object): string {
  return sha256(canonicalJson(entryWithoutHash));
}
