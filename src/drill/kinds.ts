/** Kinds: what the load consists of, and what the columns of the table say of each. Pure. */

/** In the order of the table. */
export const KINDS = ["kept-alive", "short", "upload", "events", "websocket"] as const;
export type Kind = (typeof KINDS)[number];

/** Streams have no end of their own, so a drain must end them; the others it must let end by themselves. */
export const ENDED_BY_DRAIN: readonly Kind[] = ["events", "websocket"];

export const COLUMNS = [
  { name: "done", about: ["answers, events and echoed messages: whole, right and in order"] },
  {
    name: "lost",
    about: [
      "whatever else came, or did not come: an error status, a reset, a refused connection, nothing for 10 s,",
      "wrong bytes, half an event, a gap, an end without a drain, and a drain that cuts: a stream without the",
      "end of its message, a WebSocket without a close frame (1006)",
    ],
  },
  {
    name: "kill",
    about: [
      "cut by the killed worker: one of the connections that it held at that moment, as the kernel says, once",
      "and within 5 s; where the kernel says nothing, whatever broke within 0.5 s",
    ],
  },
  {
    name: "ended",
    about: [
      "streams and WebSockets that the drain ended in order, and that were opened again; what was sent and",
      "not echoed before the close frame (1012) counts as nothing",
    ],
  },
  {
    name: "stale",
    about: [
      "began after the answer to a switch, with hold also after the first answer of the new version to",
      "anybody, and was served by the version that was left",
    ],
  },
  { name: "around a switch", about: ["p50 and p99 in ms in the second from its call, and until its answer"] },
] as const;
