/**
 * Upload pace: how fast a client sends its body, without the time in which the backend takes no more. Pure; the time
 * is handed in, ms.
 */
export class UploadPace {
  #bytes = 0;
  #sinceMs = 0;
  #heldMs = 0;
  /** null: it is not held. */
  #heldSinceMs: number | null = null;

  /** Of all that came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The backend takes no more for now. */
  get isHeld(): boolean {
    return this.#heldSinceMs !== null;
  }

  /** From here on it is the client that takes time. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  hold(nowMs: number): void {
    this.#heldSinceMs = nowMs;
  }

  release(nowMs: number): void {
    if (this.#heldSinceMs !== null) this.#heldMs += nowMs - this.#heldSinceMs;
    this.#heldSinceMs = null;
  }

  /** @param rate bytes per second; 0: any is fast enough. @param graceMs judged only after so long. */
  isTooSlow(nowMs: number, rate: number, graceMs: number): boolean {
    const tookMs = nowMs - this.#sinceMs - this.#heldMs;
    return tookMs > graceMs && this.#bytes < (rate * tookMs) / 1_000;
  }
}
