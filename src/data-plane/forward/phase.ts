/**
 * Phase: how far an exchange is. Later ones are greater; another attempt begins at the front again.
 *
 *   connecting ─► waiting ─► streaming ─► answered ─► flushing ─► ended
 *     ▲  ▲  ▼       │  └─► dropping ─┐
 *     │ queued      ▼                │
 *     └──────── another attempt ◄────┘
 *
 * A client that leaves ends it from anywhere; a failure that nothing mends leads to flushing, with an error reply, or
 * to the end, when the answer had begun.
 */
export const CONNECTING = 0; // a connection is being opened
export const QUEUED = 1; // in the pool's queue
export const WAITING = 2; // sent, or being sent; no answer yet
export const DROPPING = 3; // the answer is held back; behind this read another backend is asked
export const STREAMING = 4; // the answer's body is coming
export const ANSWERED = 5; // the answer is whole; the upload still runs
export const FLUSHING = 6; // all of it is handed to the client's socket
export const ENDED = 7;
export type Phase =
  | typeof CONNECTING
  | typeof QUEUED
  | typeof WAITING
  | typeof DROPPING
  | typeof STREAMING
  | typeof ANSWERED
  | typeof FLUSHING
  | typeof ENDED;
