/**
 * Turn: whose turn it is among the rows of a pool. Pure.
 *
 * A change of the rows leaves the turn where it was: with the row that would have been next or, when that one left,
 * with the first after it that stays. Nobody is asked twice in a row for it, nobody is passed over.
 */
import type { BalancerOptions } from "./balancer.ts";

export class Turn {
  /** The row whose turn it is; 0 when there are none. */
  row = 0;
  #names: readonly string[] = [];
  /** Where the first turn is, as a share of the rows: each worker begins elsewhere. */
  readonly #offset: number;

  constructor({ worker, workers }: BalancerOptions) {
    this.#offset = worker / workers;
  }

  reset(names: readonly string[]): void {
    this.row = this.#placeIn(names) ?? Math.floor(names.length * this.#offset);
    this.#names = [...names];
  }

  /** It was `row`'s turn. */
  pass(row: number): void {
    this.row = row + 1 < this.#names.length ? row + 1 : 0;
  }

  #placeIn(names: readonly string[]): number | null {
    const rows = new Map(names.map((name, row) => [name, row]));
    const inTurn = [...this.#names.slice(this.row), ...this.#names.slice(0, this.row)];
    for (const name of inTurn) {
      const row = rows.get(name);
      if (row !== undefined) return row;
    }
    return null;
  }
}
