/**
 * ClientStream: what an exchange needs of the client's connection, whoever keeps it.
 *
 * One request at a time. What is written is gathered until `flush`.
 */
import type { Transport } from "../sockets/transport.ts";

/** How the body of an answer is told to end, on the client's side. */
export type AnswerFraming = "none" | "length" | "chunked" | "close";

export interface ClientStream {
  /** The head of the final answer has been begun. */
  readonly isAnswered: boolean;
  /** Lets the body come, from what waits already on. */
  resumeBody(): void;
  /** Stops the body: the backend takes no more. A little is still read, so that a client who leaves is noticed. */
  pauseBody(): void;
  /** An interim answer, whole: status line, field lines, each with its CRLF. */
  writeInterim(lines: string): void;
  /** @param lines status line and field lines, each with its CRLF, without what belongs to this hop. */
  beginAnswer(lines: string, framing: AnswerFraming): void;
  writePiece(piece: Buffer): void;
  /** @param trailers field lines; they travel only with chunks. */
  endAnswer(trailers: string): void;
  /** @returns false when the client takes no more for now: `onClientDrained` follows. */
  flush(): boolean;
  /** All that was written has left this process; else `onClientDrained` follows when it has. */
  isFlushed(): boolean;
  /** An answer of our own, whole. @param mustClose the connection ends with it. */
  answer(status: number, fields: readonly string[], body: string | Buffer, mustClose: boolean): void;
  /** Takes back an answer of which nothing has left yet. @returns false when it is too late for that. */
  retractAnswer(): boolean;
  /** Breaks off an answer that has begun, so that it cannot be taken for complete. */
  breakOff(): void;
  /** The client took too long: closes without a word. */
  close(): void;
  /** Hands over the connection after a 101, with the bytes that came behind the request. */
  detach(): { readonly transport: Transport; readonly rest: Buffer };
  /** This request is over; the next one may begin. */
  finish(): void;
}

/** What a client's connection tells of the request that runs on it. */
export interface ClientEvents {
  onBodyPiece(piece: Buffer): void;
  /** All pieces that came in one read have been told, and the body goes on. */
  onBodyReadDone(): void;
  /** @param trailers field lines as they came; empty without any. */
  onBodyEnd(trailers: string): void;
  /** The body is not valid: `code` is what to answer. */
  onBodyFault(code: "MALFORMED_REQUEST" | "HEADERS_TOO_LARGE", message: string): void;
  /** The client takes more of the answer again, or everything has left. */
  onClientDrained(): void;
  /** So many bytes were read ahead of their turn: of a body that is not wanted yet, or behind it. Not told to most. */
  onReadAhead?(bytes: number): void;
  /** The client has left. */
  onClientGone(): void;
}
