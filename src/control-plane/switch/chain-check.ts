/**
 * ChainCheck: what is wrong with a history, line by line, in words for people.
 *
 * Pure. `brokenLink` alone says that a line does not fit; this finds out why, and goes on behind it, so that one
 * change is one problem. Keeps the last lines and the first problems only, however long the history is.
 */
import { brokenLink, epochAfter, isOfBackends, isSwitch } from "./history-entry.ts";
import type { BackendsEntry, HistoryEntry, SwitchEntry } from "./state-store.ts";

export interface ChainProblem {
  /** From 1. */
  readonly line: number;
  /** null: the line is not an entry. */
  readonly epoch: number | null;
  /** A sentence without its full stop. */
  readonly what: string;
}

interface Placed {
  readonly line: number;
  readonly entry: HistoryEntry;
}

const PROBLEMS_KEPT = 20;
const LINES_KEPT = 1_000;

export class ChainCheck {
  readonly problems: ChainProblem[] = [];
  problemCount = 0;
  entryCount = 0;
  highestEpoch = 0;
  /** The last line that is an entry. */
  last: HistoryEntry | null = null;
  lastSwitch: SwitchEntry | null = null;
  lastOfBackends: BackendsEntry | null = null;
  #previous: HistoryEntry | null = null;
  /** The line before cannot be trusted: what it was called by the next one is not known. */
  #isPreviousUnsure = false;
  /** Follows another line than the one before: the next line tells whether the two were swapped. */
  #early: Placed | null = null;
  /** The lines by hash, the last ones only. */
  readonly #lines = new Map<string, number>();

  /** @param entry null when the line is not one. */
  add(line: number, entry: HistoryEntry | null): void {
    if (entry === null) {
      this.end();
      this.#report(line, null, "the line was changed: it is not an entry any more");
      this.#isPreviousUnsure = true;
      return;
    }
    this.entryCount += 1;
    this.highestEpoch = Math.max(this.highestEpoch, entry.epoch);
    this.last = entry;
    if (isSwitch(entry)) this.lastSwitch = entry;
    if (isOfBackends(entry)) this.lastOfBackends = entry;
    if (!this.#isSwapped({ line, entry })) this.#place({ line, entry });
  }

  /** No line follows, or none that could explain the one that came too early. */
  end(): void {
    const early = this.#early;
    this.#early = null;
    if (early === null) return;
    this.#report(early.line, early.entry.epoch, this.#whyEarly(early.entry));
    this.#accept(early);
  }

  #whyEarly(entry: HistoryEntry): string {
    const [from, to] = [(this.#previous?.epoch ?? 0) + 1, entry.epoch - (isSwitch(entry) ? 1 : 0)];
    if (from > to) {
      return "it follows another line than the one before: that one was replaced, or lines of backends removed";
    }
    const gone = from === to ? `the line of epoch ${from} was` : `the lines of epochs ${from} to ${to} were`;
    return `${gone} removed before it`;
  }

  #place(placed: Placed): void {
    const { line, entry } = placed;
    const known = this.#lines.get(entry.hash);
    const expected = epochAfter(this.#previous, entry);
    const isUnsure = this.#isPreviousUnsure;
    const broken = brokenLink(entry, this.#previous);
    if (broken === null) return this.#accept(placed);
    if (known !== undefined) return this.#report(line, entry.epoch, `it is line ${known} once more`);
    if (broken.startsWith("its hash")) {
      this.#report(line, entry.epoch, `the line was changed: ${broken}`);
      this.#accept(placed);
      this.#isPreviousUnsure = true;
      return;
    }
    if (isUnsure && this.#mayFollow(entry, expected)) return this.#accept(placed);
    if (entry.epoch < expected) {
      return this.#report(line, entry.epoch, `it is out of place, after epoch ${this.#previous?.epoch ?? 0}`);
    }
    this.#early = placed;
  }

  /** Whether it may follow a line that was changed, or that is missing its entry: by its link, or else by its epoch. */
  #mayFollow({ prev, epoch }: HistoryEntry, expected: number): boolean {
    return prev === this.#previous?.hash || (epoch >= expected && epoch <= expected + 1);
  }

  /** Whether this line and the one that came too early have changed places. */
  #isSwapped(placed: Placed): boolean {
    const early = this.#early;
    if (early === null) return false;
    if (brokenLink(placed.entry, this.#previous) !== null || brokenLink(early.entry, placed.entry) !== null) {
      this.end();
      return false;
    }
    this.#early = null;
    this.#report(early.line, early.entry.epoch, `it was swapped with line ${placed.line}`);
    this.#accept(placed);
    this.#accept(early);
    return true;
  }

  #accept({ line, entry }: Placed): void {
    this.#previous = entry;
    this.#isPreviousUnsure = false;
    this.#lines.set(entry.hash, line);
    const [oldest] = this.#lines.keys();
    if (this.#lines.size > LINES_KEPT && oldest !== undefined) this.#lines.delete(oldest);
  }

  #report(line: number, epoch: number | null, what: string): void {
    this.problemCount += 1;
    if (this.problems.length < PROBLEMS_KEPT) this.problems.push({ line, epoch, what });
  }
}
