/**
 * `.backends.json`: every change by hand of a version's backends that is in force, read with suspicion and replaced
 * atomically (replaced-file.ts).
 *
 * Runs in the primary. Knows nothing of the history and decides nothing: changes-recovery.ts says what is in force.
 * What it says of versions and backends that are not configured is kept. Reading never blocks and never rejects.
 */
import { z } from "zod";
import { type ChangeInForce, type Changes, keyOf, MAX_CHANGES, NO_CHANGES } from "../pools/changes.ts";
import { canonicalJson, sha256 } from "./canonical-json.ts";
import { changeSchema } from "./history-entry.ts";
import * as replaced from "./replaced-file.ts";
import { nodeFs, type StateFs } from "./state-fs.ts";

export const BACKENDS_FILE = ".backends.json";
const FORMAT = 1;
const MAX_BYTES = 8 * 1024 * 1024;

export interface BackendsState {
  readonly changes: Changes;
  /**
   * The hash of the last entry of backends when it was written; null: there was none. The changes need not be what
   * that entry tells of: somebody may have taken the file away, to go back to the config.
   */
  readonly follows: string | null;
}

export type BackendsFileContent =
  | { readonly kind: "missing" }
  | ({ readonly kind: "sound" } & BackendsState)
  /** `reason` is a sentence without its full stop. */
  | { readonly kind: "damaged"; readonly reason: string };

const fileSchema = z.strictObject({
  format: z.literal(FORMAT),
  changes: z.array(changeSchema).max(MAX_CHANGES),
  follows: z.string().nullable(),
  sha256: z.string(),
});

/** What the history says of what is in force. */
export function changesDigest(changes: Changes): string {
  return sha256(canonicalJson([...changes.values()]));
}

export async function readBackendsFile(folder: string, fs: StateFs = nodeFs): Promise<BackendsFileContent> {
  const found = await replaced.readSmallFile(folder, BACKENDS_FILE, MAX_BYTES, fs);
  return found.kind === "read" ? judge(found.bytes) : found;
}

/** Replaces `.backends.json`, like `replaceFile`. */
export async function writeBackendsFile(
  folder: string,
  state: BackendsState,
  options: replaced.ReplaceOptions,
): Promise<void> {
  const { changes, follows } = state;
  const file = { format: FORMAT, changes: [...changes.values()], follows, sha256: checksum(state) };
  await replaced.replaceFile(folder, BACKENDS_FILE, `${JSON.stringify(file, null, 2)}\n`, options);
}

function judge(bytes: Buffer): BackendsFileContent {
  if (bytes.length > MAX_BYTES) return damaged("is larger than 8 MiB");
  if (bytes.length === 0) return damaged("is empty");
  const parsed = fileSchema.safeParse(parseJson(bytes.toString("utf8")));
  if (!parsed.success) return damaged("is not what this release writes");
  const changes = toChanges(parsed.data.changes);
  if (changes.size !== parsed.data.changes.length) return damaged("names a backend twice");
  const { follows } = parsed.data;
  if (checksum({ changes, follows }) !== parsed.data.sha256) {
    return damaged("was changed: its checksum does not fit");
  }
  return { kind: "sound", changes, follows };
}

function checksum({ changes, follows }: BackendsState): string {
  return sha256(canonicalJson({ changes: [...changes.values()], follows }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toChanges(list: readonly ChangeInForce[]): Changes {
  if (list.length === 0) return NO_CHANGES;
  return new Map(list.map((change) => [keyOf(change.version, change.backend), change]));
}

function damaged(reason: string): BackendsFileContent {
  return { kind: "damaged", reason: `${BACKENDS_FILE} ${reason}` };
}
