/**
 * Move: one change of the active version, whatever asked for it, and the rules that need only the state.
 *
 * Pure. switcher.ts puts these rules in order and carries a move out.
 */
import type { Snapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import type { SwitchEntry } from "./state-store.ts";
import type { Expectation } from "./switch-call.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

export interface Move {
  readonly from: Version;
  readonly to: Version;
  readonly trigger: SwitchEntry["trigger"];
  readonly force: boolean;
  readonly reason: string | null;
  readonly expect: Expectation | null;
  readonly waitMs: number;
  /** How long new requests may wait while the workers flip; 0: they do not. */
  readonly holdMs: number;
}

/** @throws SwitchRefusal UNKNOWN_VERSION */
export function refuseUnknown(version: Version, configured: ReadonlyMap<Version, unknown>): void {
  if (configured.has(version)) return;
  const versions = [...configured.keys()];
  throw new SwitchRefusal(
    "UNKNOWN_VERSION",
    `no version ${JSON.stringify(version)} is configured; known are ${versions.join(", ")}`,
    { details: { versions } },
  );
}

/** Compare-and-set. @throws SwitchRefusal EXPECTATION_FAILED */
export function refuseUnexpected(expect: Expectation | null, { activeVersion, epoch }: Snapshot): void {
  const isMet = (expect?.version ?? activeVersion) === activeVersion && (expect?.epoch ?? epoch) === epoch;
  if (isMet) return;
  throw new SwitchRefusal(
    "EXPECTATION_FAILED",
    `\`expect\` does not fit: ${activeVersion} is active at epoch ${epoch}; nothing changed`,
    { details: { active_version: activeVersion, epoch } },
  );
}

/**
 * Where a rollback leads. A switch is undone once: after a rollback there is nothing to go back to until the
 * next switch, so a repeated call never releases the bad version again.
 *
 * @returns the version that the last switch left, or a sentence that says why there is none.
 */
export function rollbackTarget(
  last: SwitchEntry | null,
  active: Version,
  configured: ReadonlyMap<Version, unknown>,
): { readonly to: Version } | { readonly nothing: string } {
  if (last === null) return { nothing: "there was no switch yet" };
  if (last.trigger === "rollback") {
    return {
      nothing: `the last switch was already rolled back; ${active} is active (POST /switch goes to another version)`,
    };
  }
  if (last.to !== active) return { nothing: `the last switch was to ${last.to}, but ${active} is active` };
  if (!configured.has(last.from)) {
    return { nothing: `the version before, ${last.from}, is no longer configured` };
  }
  return { to: last.from };
}
