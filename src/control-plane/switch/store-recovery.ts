/**
 * Store recovery: reads at start what `.version` and `.backends.json` say, and mends them by the history.
 *
 * Runs in the primary, before anything is written. recovery.ts and changes-recovery.ts decide. Never rejects: what is
 * broken is reported.
 */
import type { Changes } from "../pools/changes.ts";
import { BACKENDS_FILE, type BackendsFileContent, writeBackendsFile } from "./backends-file.ts";
import { recoverChanges } from "./changes-recovery.ts";
import type { HistoryFile } from "./history-file.ts";
import { recover } from "./recovery.ts";
import { finishMending } from "./replaced-file.ts";
import { errorText, type StateFs } from "./state-fs.ts";
import type { RecoveredState } from "./state-store.ts";
import type { WriteParts } from "./switch-writer.ts";
import { readVersionFile, VERSION_FILE, writeVersionFile } from "./version-file.ts";

/** @returns what is wrong, one sentence each. */
export async function finishAll(stateDir: string, fs: StateFs): Promise<string[]> {
  const damage: string[] = [];
  for (const name of [VERSION_FILE, BACKENDS_FILE]) {
    await finishMending(stateDir, name, fs).catch((error: unknown) => {
      damage.push(`what a crash left beside ${name} cannot be cleared away (${errorText(error)})`);
    });
  }
  return damage;
}

interface Found {
  /** Sentences without their full stop. */
  readonly damage: readonly string[];
  readonly repaired: string | null;
}

export async function recoverVersion(
  { folder, versions, clock, fs }: WriteParts,
  history: HistoryFile,
): Promise<Found & Pick<RecoveredState, "version" | "source">> {
  const file = await readVersionFile(folder, versions, fs);
  const last = history.isIntact ? history.entries.lastSwitch : null;
  const { version, source, isToMend } = recover(file, last, versions);
  const damage: string[] = [];
  let repaired: string | null = null;
  if (file.kind === "damaged") {
    const serving = version === null ? "the config's active_version" : `${version} of the last switch`;
    damage.push(`${file.reason}; ${serving} serves`);
  }
  if (isToMend && version !== null) {
    try {
      await writeVersionFile(folder, version, { wallMs: clock.wallMs(), fs });
      repaired = `${VERSION_FILE} has been mended to ${version}, the last switch of the history`;
    } catch (error) {
      damage.push(`${VERSION_FILE} cannot be mended to ${version} (${errorText(error)})`);
    }
  }
  return { version, source, damage, repaired };
}

export async function recoverBackends(
  { folder, clock, fs }: WriteParts,
  history: HistoryFile,
  file: BackendsFileContent,
): Promise<Found & { readonly changes: Changes }> {
  const last = history.isIntact ? history.entries.lastOfBackends : null;
  const { changes, isToMend } = recoverChanges(file, last, history.replay);
  if (!isToMend) {
    const damage = file.kind === "damaged" ? [`${file.reason}; the config's backends are used`] : [];
    return { changes, damage, repaired: null };
  }
  try {
    await writeBackendsFile(folder, { changes, follows: last?.hash ?? null }, { wallMs: clock.wallMs(), fs });
    const repaired = `${BACKENDS_FILE} has been mended to what the history says`;
    return { changes, damage: [], repaired };
  } catch (error) {
    const reason = file.kind === "damaged" ? file.reason : `${BACKENDS_FILE} is behind the history`;
    const damage = [`${reason}, and cannot be mended (${errorText(error)}); the history's changes are used`];
    return { changes, damage, repaired: null };
  }
}
