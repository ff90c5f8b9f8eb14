/**
 * Roster: who is here now, in no order: an array in which each knows its place.
 *
 * Not a Set: that grows a new table every so often, and the old one, dead but already moved to the old
 * generation, keeps all that it ever held alive until the next full collection. It made a sixth of all
 * garbage survive (2.0 MB of 12 MB for each collection; 0.3 MB so) and cost 5 µs per request.
 */
export interface Member {
  /** Where it stands; the roster sets it. */
  place: number;
}

export class Roster<T extends Member> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(member: T): void {
    member.place = this.#all.length;
    this.#all.push(member);
  }

  /** The last one takes its place. One that is not here is left alone. */
  delete(member: T): void {
    if (this.#all[member.place] !== member) return;
    const last = this.#all.pop();
    if (last === undefined || last === member) return;
    this.#all[member.place] = last;
    last.place = member.place;
  }

  /** From the last to the first, so that a visited one may leave. */
  each(visit: (member: T) => void): void {
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const member = this.#all[i];
      if (member !== undefined) visit(member);
    }
  }
}
