/** Bytes that wait for their reader; adding a piece copies nothing, so that long bodies stay cheap. Pure. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }

  /** The first `length` bytes, which must be there; all by default. */
  take(length = this.#length): Buffer {
    const all = Buffer.concat(this.#pieces);
    const rest = all.subarray(length);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return all.subarray(0, length);
  }
}
