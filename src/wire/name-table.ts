/**
 * Name table: which of a few known field names stands in some octets, whatever its case, without a copy of it. Pure.
 *
 * Nearly all names are told apart from the known ones by their length and first letter alone.
 */

/** No known name is longer. */
const LONGEST = 31;
const STRIDE = 32;

export class NameTable {
  /** By length and first letter: the first name that may be it, from 1; 0 for none. */
  readonly #first = new Uint8Array(STRIDE * 32);
  /** The next with the same length and first letter. */
  readonly #next: Uint8Array;
  readonly #letters: Uint8Array;
  readonly #values: Uint8Array;

  /** @param entries at most 255; names in lower case, of letters, digits and `-`; values up to 255. */
  constructor(entries: readonly (readonly [name: string, value: number])[]) {
    this.#next = new Uint8Array(entries.length + 1);
    this.#letters = new Uint8Array((entries.length + 1) * STRIDE);
    this.#values = new Uint8Array(entries.length + 1);
    entries.forEach(([name, value], i) => {
      const entry = i + 1;
      const key = keyOf(name.length, name.charCodeAt(0));
      this.#next[entry] = this.#first[key] as number;
      this.#first[key] = entry;
      this.#values[entry] = value;
      for (let at = 0; at < name.length; at++) this.#letters[entry * STRIDE + at] = name.charCodeAt(at);
    });
  }

  /** @returns the value of the name, a token, between `start` and `end`; 0 when it is not known. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length > LONGEST) return 0;
    let entry = this.#first[keyOf(length, bytes[start] as number)] as number;
    while (entry !== 0 && !this.#isName(entry, bytes, start, length)) entry = this.#next[entry] as number;
    return this.#values[entry] as number;
  }

  #isName(entry: number, bytes: Uint8Array, start: number, length: number): boolean {
    const letters = this.#letters;
    const from = entry * STRIDE;
    for (let i = 0; i < length; i++) {
      // In a token, bit 5 makes no letter, digit or `-` of anything else.
      if (((bytes[start + i] as number) | 0x20) !== letters[from + i]) return false;
    }
    return true;
  }
}

function keyOf(length: number, firstLetter: number): number {
  return (length << 5) | (firstLetter & 31);
}
