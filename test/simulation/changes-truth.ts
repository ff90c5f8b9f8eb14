/**
 * What the world outside knows to be true of the changes of backends, and the invariant that is held against it.
 *
 * Knows nothing of how the daemon works: it hears what is written, what callers are told, and what a start finds.
 */
import {
  type ChangeInForce,
  type Changes,
  keyOf,
  NO_CHANGES,
} from "../../src/control-plane/pools/changes.ts";
import { changesDigest } from "../../src/control-plane/switch/backends-file.ts";
import type { Phase } from "../../src/control-plane/switch/phase.ts";
import { INVARIANTS, Violation } from "./truth.ts";

export class ChangesTruth {
  /** What callers were told of last, or what a start has found since: by its digest. */
  #acknowledged = changesDigest(NO_CHANGES);
  /** What a start may find. */
  #mayBeFound = new Set([this.#acknowledged]);
  /** What would be in force after the change that was begun last. */
  #begun = this.#acknowledged;
  /** Since the switch that runs began, the revision of the pools; null: none runs. */
  #judgedBy: number | null = null;

  /** It is being written. */
  begin(after: Changes): void {
    this.#begun = changesDigest(after);
    this.#mayBeFound.add(this.#begun);
  }

  /** @param file `.backends.json` as it is on the disk now. */
  answered(file: string | null): void {
    if (digestIn(file) !== this.#begun) {
      throw new Violation(INVARIANTS.changes, "a change was answered, but is not on the disk");
    }
    this.#settle(this.#begun);
  }

  /** @param message of the error. What is taken back no start may find; else it says what one may. */
  refused(message: string): void {
    if (message.includes("may have the backends of the config")) {
      this.#mayBeFound.add(changesDigest(NO_CHANGES));
    } else if (message.includes("could not be written") && !message.includes("may have")) {
      this.#settle(this.#acknowledged);
    }
  }

  /** A daemon has started, and has these in force. */
  recovered(changes: Changes): void {
    const found = changesDigest(changes);
    if (!this.#mayBeFound.has(found)) {
      const what = [...changes.values()].map(({ backend }) => backend).join(", ");
      throw new Violation(INVARIANTS.changes, `a start has [${what}] in force, which nobody was told of`);
    }
    this.#settle(found);
    this.#judgedBy = null;
  }

  /** @param revision of the pools. Nothing changes from the beginning of a switch to its end. */
  switchIn(phase: Phase, revision: number): void {
    if (this.#judgedBy !== null && this.#judgedBy !== revision) {
      throw new Violation(INVARIANTS.changes, `backends were changed before the ${phase} of a switch`);
    }
    this.#judgedBy = phase === "idle" ? null : revision;
  }

  #settle(digest: string): void {
    this.#acknowledged = digest;
    this.#mayBeFound = new Set([digest]);
  }
}

function digestIn(file: string | null): string | null {
  if (file === null) return null;
  const { changes } = JSON.parse(file) as { readonly changes: readonly ChangeInForce[] };
  return changesDigest(new Map(changes.map((change) => [keyOf(change.version, change.backend), change])));
}
