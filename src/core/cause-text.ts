/**
 * Cause text: what an error says, for a sentence of ours. Pure.
 */

/** Of OpenSSL its reason alone: its text names threads, functions and lines of its source, and ends with a line end. */
export function causeText(error: Error): string {
  const { library, reason } = error as { readonly library?: unknown; readonly reason?: unknown };
  return typeof library === "string" && typeof reason === "string" ? reason : error.message;
}
