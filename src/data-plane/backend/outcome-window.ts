/**
 * OutcomeWindow: the last outcomes of one backend, and which part of them failed. Pure.
 *
 * A ring with two running counts: of all that it holds, and of the newest few, which tell sooner that a backend has
 * begun to fail. Each outcome costs the same, whatever the size.
 */
export class OutcomeWindow {
  /** 1: failed. */
  readonly #ring: Uint8Array;
  readonly #recent: number;
  #next = 0;
  #count = 0;
  #failures = 0;
  #recentFailures = 0;

  /** @param recent how many are the newest few; at most `size`. */
  constructor(size: number, recent: number) {
    this.#ring = new Uint8Array(size);
    this.#recent = Math.min(recent, size);
  }

  /** How many it holds. */
  get count(): number {
    return this.#count;
  }

  /** Of all that it holds; 0 when empty. */
  get ratio(): number {
    return this.#count === 0 ? 0 : this.#failures / this.#count;
  }

  /** Of the newest few, once there are so many; 0 before. */
  get recentRatio(): number {
    return this.#count < this.#recent ? 0 : this.#recentFailures / this.#recent;
  }

  note(isFailure: boolean): void {
    const ring = this.#ring;
    const size = ring.length;
    const next = this.#next;
    const failure = isFailure ? 1 : 0;
    if (this.#count >= this.#recent) {
      const gone = next - this.#recent;
      this.#recentFailures -= ring[gone < 0 ? gone + size : gone] ?? 0;
    }
    if (this.#count === size) this.#failures -= ring[next] ?? 0;
    else this.#count++;
    ring[next] = failure;
    this.#failures += failure;
    this.#recentFailures += failure;
    this.#next = next + 1 === size ? 0 : next + 1;
  }

  /** What was is no longer held against it. */
  clear(): void {
    this.#next = 0;
    this.#count = 0;
    this.#failures = 0;
    this.#recentFailures = 0;
  }
}
