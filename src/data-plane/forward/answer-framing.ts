/** Answer framing: how the end of an answer's body is told to the client. Pure. */
import type { AnswerHead } from "../../wire/answer-head.ts";
import type { AnswerFraming } from "./client-stream.ts";

/** It has no content (RFC 9110 §15.3.6); one that has some is put right. */
const RESET_CONTENT = 205;

/** Its length stays when there is one; chunks are made where the client reads them, else the connection's end is the body's. */
export function framingFor({ framing, status }: AnswerHead, minorVersion: number): AnswerFraming {
  if (framing === "none" || framing === "length") return framing;
  if (status === RESET_CONTENT) return "length"; // of 0, see answerLines
  return minorVersion === 1 ? "chunked" : "close";
}

/** What comes of its body is not for the client. */
export function mustBeEmpty({ status }: AnswerHead): boolean {
  return status === RESET_CONTENT;
}
