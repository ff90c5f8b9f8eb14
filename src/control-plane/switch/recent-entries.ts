/**
 * Recent entries: of each kind the last 1,000, in the order of the file. Neither kind pushes the other one out: what a
 * start goes by is the last switch, however many changes of backends came after it.
 *
 * Holds values only. The file keeps all.
 */
import { isSwitch } from "./history-entry.ts";
import type { BackendsEntry, HistoryEntry, SwitchEntry } from "./state-store.ts";

/** Of each kind. */
export const ENTRIES_IN_MEMORY = 1_000;

interface Numbered<Entry> {
  readonly number: number;
  readonly entry: Entry;
}

export class RecentEntries {
  #added = 0;
  readonly #switches: Numbered<SwitchEntry>[] = [];
  readonly #backends: Numbered<BackendsEntry>[] = [];

  add(entry: HistoryEntry): void {
    const number = ++this.#added;
    if (isSwitch(entry)) push(this.#switches, { number, entry });
    else push(this.#backends, { number, entry });
  }

  /** Takes back the last `add`. */
  removeLast(): void {
    const isOfSwitch = (this.#switches.at(-1)?.number ?? 0) > (this.#backends.at(-1)?.number ?? 0);
    if (isOfSwitch) this.#switches.pop();
    else this.#backends.pop();
  }

  /** Of both kinds, oldest first. */
  get all(): readonly HistoryEntry[] {
    const both: Numbered<HistoryEntry>[] = [...this.#switches, ...this.#backends];
    return both.sort((a, b) => a.number - b.number).map(({ entry }) => entry);
  }

  /** Oldest first. */
  get switches(): readonly SwitchEntry[] {
    return this.#switches.map(({ entry }) => entry);
  }

  get last(): HistoryEntry | null {
    const [ofSwitch, ofBackends] = [this.#switches.at(-1), this.#backends.at(-1)];
    const isOfSwitch = (ofSwitch?.number ?? 0) > (ofBackends?.number ?? 0);
    return (isOfSwitch ? ofSwitch : ofBackends)?.entry ?? null;
  }

  get lastSwitch(): SwitchEntry | null {
    return this.#switches.at(-1)?.entry ?? null;
  }

  get lastOfBackends(): BackendsEntry | null {
    return this.#backends.at(-1)?.entry ?? null;
  }
}

function push<Entry>(list: Numbered<Entry>[], numbered: Numbered<Entry>): void {
  list.push(numbered);
  if (list.length > ENTRIES_IN_MEMORY) list.shift();
}
