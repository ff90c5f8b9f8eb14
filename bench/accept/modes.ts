/** The ways in which the workers of one daemon can share a listening port. */
export const MODES = {
  "round-robin": "node:cluster SCHED_RR: the primary accepts and hands each connection over by IPC",
  "shared-cluster": "node:cluster SCHED_NONE: one listening handle for all, opened by node:cluster",
  "shared-handle": "one handle bound by the primary, sent to each worker, which listens on it",
  "reuse-port": "SO_REUSEPORT: a socket and a queue of its own for each worker",
} as const;

export type Mode = keyof typeof MODES;

export function isMode(text: string | undefined): text is Mode {
  return text !== undefined && text in MODES;
}
