/** Limits that no case reaches: what is compared is syntax. */
export const LIMITS = { maxHeaderBytes: 2 ** 20, maxHeaderCount: 2_000 } as const;

export const TRAILER_LIMITS = {
  maxTrailerBytes: LIMITS.maxHeaderBytes,
  maxTrailerCount: LIMITS.maxHeaderCount,
} as const;
