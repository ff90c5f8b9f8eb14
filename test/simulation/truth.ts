/**
 * What the world outside knows to be true, and the invariants that are held against it: those of the switch,
 * numbered as in the README, "What is guaranteed".
 *
 * Knows nothing of how the daemon works: it hears what callers are told, what clients get, and what lies on the disk.
 */
import { brokenLink, isSwitch, parseEntry } from "../../src/control-plane/switch/history-entry.ts";
import type {
  HistoryEntry,
  RecoveredState,
  SwitchEntry,
} from "../../src/control-plane/switch/state-store.ts";

/** The promise that was broken, and how. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

export const INVARIANTS = {
  allOrNone: "1 all workers or none",
  afterAnswer: "2 after the answer nothing starts on the old version",
  noLoss: "3 no request is lost because of a switch",
  recovery: "4 what was acknowledged survives",
  coolDown: "5 the cool-down holds, and never refuses a rollback",
  idempotency: "6 one key is one switch, a wrong expectation none",
  history: "7 the history is append-only and chained",
  hold: "8 with hold nobody sees the new version and then the old one",
  changes: "9 a change of backends survives, and none comes under a switch",
} as const;

export const START_VERSION = "v1";
/** The history keeps whole milliseconds. */
const ROUNDING_MS = 2;

export class Truth {
  /** The newest switch that a caller was told of. */
  acknowledgedEpoch = 0;
  /** By epoch, as last seen on the disk of a daemon that lived. */
  readonly versions = new Map<number, string>([[0, START_VERSION]]);
  /** Epochs of switches that were asked to hold. */
  readonly heldEpochs = new Set<number>();
  /** The newest epoch of a held switch under which a request has started. */
  #newestHeldSeen = 0;
  #history = "";
  /** By key and body, the epoch of the first answer. */
  readonly #keyed = new Map<string, number>();
  /** When the last entry was made, whatever made it: between these two, in time that nobody can set. */
  #lastEntry: { readonly earliestMs: number; readonly latestMs: number } | null = null;
  /** After the last entry was made both: then the cool-down cannot be known. */
  #rebootedAtMs = Number.NEGATIVE_INFINITY;
  #wallJumpedAtMs = Number.NEGATIVE_INFINITY;

  /** @param text the history on the disk now. */
  acknowledge(epoch: number, version: string, text: string): void {
    this.noteHistory(text);
    const entry = entriesOf(text)[epoch - 1];
    if (entry === undefined || entry.epoch !== epoch || entry.to !== version) {
      throw new Violation(INVARIANTS.recovery, `epoch ${epoch} was answered, but is not on the disk`);
    }
    this.acknowledgedEpoch = Math.max(this.acknowledgedEpoch, epoch);
  }

  /** The same key and body has the same answer, over restarts too. */
  answeredWithKey(key: string, bodyDigest: string, epoch: number): void {
    const name = `${key} ${bodyDigest}`;
    const first = this.#keyed.get(name) ?? epoch;
    if (epoch !== first) {
      throw new Violation(INVARIANTS.idempotency, `${key} was answered epoch ${first}, and then ${epoch}`);
    }
    this.#keyed.set(name, epoch);
  }

  /** Nothing that was there may change. */
  noteHistory(text: string): void {
    const acknowledged = entriesOf(this.#history).slice(0, this.acknowledgedEpoch);
    const now = entriesOf(text);
    for (const [at, { hash }] of acknowledged.entries()) {
      if (now[at]?.hash !== hash) throw new Violation(INVARIANTS.history, `entry ${at + 1} has changed`);
    }
    const lines = linesOf(text);
    for (const [at, entry] of lines.entries()) {
      const broken = brokenLink(entry, lines[at - 1] ?? null);
      if (broken !== null) throw new Violation(INVARIANTS.history, `entry ${at + 1}: ${broken}`);
    }
    for (const { epoch, to } of now) this.versions.set(epoch, to);
    const keys = now.flatMap(({ idempotency }) => (idempotency === null ? [] : [idempotency.key_sha256]));
    if (new Set(keys).size !== keys.length) {
      throw new Violation(INVARIANTS.idempotency, "one key made two switches");
    }
    this.#history = text;
  }

  /** A daemon has started and says what serves. @param inFlight what the one before was writing when it was killed. */
  recovered({ version, epoch, damaged, entries }: RecoveredState, inFlight: readonly string[]): void {
    if (damaged.length > 0)
      throw new Violation(INVARIANTS.history, `damaged after a crash: ${damaged.join("; ")}`);
    if (epoch < this.acknowledgedEpoch) {
      throw new Violation(
        INVARIANTS.recovery,
        `epoch ${epoch}, but ${this.acknowledgedEpoch} was acknowledged`,
      );
    }
    const serves = version ?? START_VERSION;
    const last = entries.at(-1);
    const right = epoch === 0 ? START_VERSION : last?.to;
    if (serves !== right)
      throw new Violation(INVARIANTS.recovery, `serves ${serves} at epoch ${epoch}, not ${right}`);
    const isNew = epoch > this.acknowledgedEpoch;
    if (isNew && (epoch > this.acknowledgedEpoch + 1 || !inFlight.includes(serves))) {
      throw new Violation(INVARIANTS.recovery, `serves ${serves} at epoch ${epoch}, which nobody asked for`);
    }
  }

  /** A request starts. */
  served(epoch: number, isOrphan: boolean): void {
    if (isOrphan) return; // its primary is dead: nobody tells it anything
    if (epoch < this.acknowledgedEpoch) {
      throw new Violation(
        INVARIANTS.afterAnswer,
        `a request started under epoch ${epoch} after ${this.acknowledgedEpoch} had been answered`,
      );
    }
    if (epoch < this.#newestHeldSeen) {
      throw new Violation(INVARIANTS.hold, `epoch ${epoch} after ${this.#newestHeldSeen}, which held`);
    }
    if (this.heldEpochs.has(epoch)) this.#newestHeldSeen = epoch;
  }

  /** A primary is dead in the middle of things: what was half done is not held to the promise of a hold. */
  forgetHeld(): void {
    this.#newestHeldSeen = 0;
  }

  // ── the cool-down ───────────────────────────────────────────────────────────────────────────────

  entryMade(earliestMs: number, latestMs: number): void {
    this.#lastEntry = { earliestMs, latestMs };
  }

  noteReboot(nowTrueMs: number): void {
    this.#rebootedAtMs = nowTrueMs;
  }

  noteWallJump(nowTrueMs: number): void {
    this.#wallJumpedAtMs = nowTrueMs;
  }

  /** @param isRefused by the cool-down. */
  judgeCooldown(nowTrueMs: number, gapMs: number, isRefused: boolean): void {
    if (this.#lastEntry === null) {
      if (isRefused) throw new Violation(INVARIANTS.coolDown, "refused before any switch");
      return;
    }
    if (Math.min(this.#rebootedAtMs, this.#wallJumpedAtMs) >= this.#lastEntry.earliestMs) return;
    const atMostMs = nowTrueMs - this.#lastEntry.earliestMs;
    const atLeastMs = nowTrueMs - this.#lastEntry.latestMs;
    if (!isRefused && atMostMs < gapMs - ROUNDING_MS) {
      throw new Violation(INVARIANTS.coolDown, `a switch ${atMostMs} ms after the last one`);
    }
    if (isRefused && atLeastMs > gapMs + ROUNDING_MS) {
      throw new Violation(INVARIANTS.coolDown, `refused ${atLeastMs} ms after the last switch`);
    }
  }
}

/** The switches; whole lines alone. */
export function entriesOf(text: string): readonly SwitchEntry[] {
  return linesOf(text).filter(isSwitch);
}

function linesOf(text: string): readonly HistoryEntry[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => parseEntry(line)).filter((entry) => entry !== null);
}
