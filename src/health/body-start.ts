/**
 * BodyStart: the first bytes of an answer's body, kept to be searched. Pure; of a longer body the rest is not kept.
 */

export const BODY_START_BYTES = 64 * 1024;

export class BodyStart {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  /** Copies: a piece may be a small part of a large buffer. */
  add(piece: Buffer): void {
    const count = Math.min(piece.length, BODY_START_BYTES - this.#length);
    if (count <= 0) return;
    if (this.#length + count > this.#bytes.length) this.#grow(this.#length + count);
    piece.copy(this.#bytes, this.#length, 0, count);
    this.#length += count;
  }

  #grow(needed: number): void {
    const bytes = Buffer.allocUnsafe(Math.min(BODY_START_BYTES, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
  }

  /** @param text is looked for as UTF-8, wherever the pieces began and ended. */
  includes(text: string): boolean {
    return this.#bytes.subarray(0, this.#length).includes(text, 0, "utf8");
  }

  /** What is no UTF-8 becomes U+FFFD. */
  toString(): string {
    return this.#bytes.toString("utf8", 0, this.#length);
  }
}
