/** Tenths of a millisecond say enough. */
export function roundMs(ms: number): number {
  return Math.round(ms * 10) / 10;
}
