/**
 * Hash ring: every row has points on a circle of 2^31, and a key belongs to the next point. Pure; built once for
 * each change of the rows.
 *
 * A row that comes or goes takes or leaves its own points: nobody else's keys move. Points hang on the name alone, so
 * every worker, every start and every order of the rows has the same ring.
 */
import { GOLDEN, hashOf, mix } from "./hash.ts";

/** Of the heaviest row, others in proportion. 256: a row's part is mostly within 6 % of its fair one. */
const POINTS = 256;
/** A place and its row in one number for sorting: 31 + 20 bits stay exact. */
const ROW_RANGE = 2 ** 20;

export class HashRing {
  readonly #names: readonly string[];
  readonly #weights: Float64Array;
  readonly #places: Int32Array;
  /** The row at each point. */
  readonly rows: Int32Array;

  /** Weights count against the heaviest: a row that comes and is not heavier changes nobody else's points. */
  constructor(names: readonly string[], weights: Float64Array) {
    this.#names = [...names];
    this.#weights = weights.slice();
    const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0);
    const counts = names.map((_, row) => pointsOf(weights[row] as number, heaviest));
    const points = new Float64Array(counts.reduce((all, count) => all + count, 0));
    let at = 0;
    for (const [row, name] of names.entries()) {
      const seed = hashOf(name);
      for (let i = 0; i < (counts[row] as number); i++) {
        points[at++] = (mix(seed + Math.imul(i, GOLDEN)) >>> 1) * ROW_RANGE + row;
      }
    }
    points.sort();
    this.#places = new Int32Array(points.length);
    this.rows = new Int32Array(points.length);
    for (let i = 0; i < points.length; i++) {
      const point = points[i] as number;
      const place = Math.floor(point / ROW_RANGE);
      this.#places[i] = place;
      this.rows[i] = point - place * ROW_RANGE;
    }
  }

  isOf(names: readonly string[], weights: Float64Array): boolean {
    return (
      names.length === this.#names.length &&
      names.every((name, row) => name === this.#names[row] && weights[row] === this.#weights[row])
    );
  }

  /** The index of the first point at `hash` or after it; 0 after the last one. */
  find(hash: number): number {
    const places = this.#places;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    return low < places.length ? low : 0;
  }
}

function pointsOf(weight: number, heaviest: number): number {
  return weight > 0 ? Math.max(1, Math.round((POINTS * weight) / heaviest)) : 0;
}
