/** Heads for tests, read from text as they come off the wire. */
import { type AnswerHead, readAnswerHead } from "../../src/wire/answer-head.ts";
import { Fields } from "../../src/wire/fields.ts";
import { HeadOctets } from "../../src/wire/head-octets.ts";
import { type RequestHead, readRequestHead } from "../../src/wire/request-head.ts";

const MAX_COUNT = 1_000;

/** `["Host: h", "X: 1"]` as the lines of a head, with the empty one that ends it. */
export function linesOf(fields: readonly string[]): string {
  return `${fields.map((line) => `${line}\r\n`).join("")}\r\n`;
}

/** @throws Error when the head is malformed. */
export function requestHead(start: string, fields: readonly string[]): RequestHead {
  const head = readRequestHead(`${start}\r\n${linesOf(fields)}`, new Fields(), MAX_COUNT);
  if ("fault" in head) throw new Error(head.fault);
  return head;
}

/** What fields are read from. */
export function octetsOf(text: string): HeadOctets {
  const octets = new HeadOctets();
  octets.take(text);
  return octets;
}

/**
 * @param method of the request it answers.
 * @throws Error when the head is malformed.
 */
export function answerHead(start: string, fields: readonly string[], method = "GET"): AnswerHead {
  const head = readAnswerHead(`${start}\r\n${linesOf(fields)}`, new Fields(), MAX_COUNT, method);
  if ("fault" in head) throw new Error(head.fault);
  return head;
}
