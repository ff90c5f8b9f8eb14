/** What chance makes up for the codec: the grammars of the other fuzzers, in sequences, with more damage on top. */
import * as fc from "fast-check";
import { answerCase } from "../answer-grammar.ts";
import { mutate, mutations, undamaged } from "../mutations.ts";
import { mostly } from "../pick.ts";
import { requestCase } from "../request-grammar.ts";
import type { WireCase } from "../wire-case.ts";
import type { CodecCase, Kind } from "./codec-case.ts";

/** Each case is read once for each of its bytes: long ones are for the fuzzers over sockets. */
const MAX_BYTES = 800;

/** What is put between the lines of a head now and then: what two parsers could weigh differently. */
const LINES = [
  "Connection: close, x",
  "Connection: x,\tclose",
  "Connection: keep-alive, close",
  "connection: Close",
  "Connection: keep-alive",
  "Connection:",
  "Connection: upgrade",
  "Upgrade: x",
  "Content-Length: 010",
  "Content-Length: 5",
  "Content-Length: 5, 5",
  "Content-Length: +5",
  "Content-Length:",
  "Content-Lengths: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, x",
  "Transfer-Encoding: x, chunked",
  "Transfer-Encodings: chunked",
  "Keep-Alive: timeout=5",
  // More than the tables of a head have room for at first.
  `${"B: c\r\n".repeat(70)}D: e`,
  "A: b\tc \t",
  "A:\x80\xff",
  "A: b\r c",
  "A: b\n c",
  "A: b\r\n c",
  "A : b",
  "A\t: b",
  " A: b",
  "A:\x0bb",
  "",
];

interface Extra {
  /** Which line end it stands behind, modulo their number. */
  readonly at: number;
  readonly line: string;
}

const extras: fc.Arbitrary<Extra[]> = fc.array(
  fc.record({ at: fc.nat(40), line: fc.constantFrom(...LINES) }),
  { minLength: 1, maxLength: 2 },
);

function insertLine(text: string, { at, line }: Extra): string {
  const ends = [...text.matchAll(/\r\n/g)].map(({ index }) => index + 2);
  const place = ends[at % Math.max(1, ends.length)] ?? 0;
  return `${text.slice(0, place)}${line}\r\n${text.slice(place)}`;
}

const damage = fc.record({
  mutations: mostly(undamaged, mutations, 3),
  extras: mostly(fc.constant<Extra[]>([]), extras, 2),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

const requests: fc.Arbitrary<CodecCase> = fc
  .record({ wireCase: requestCase, damage })
  .map(({ wireCase, damage: done }) => caseOf("requests", [wireCase], done));

const answers: fc.Arbitrary<CodecCase> = fc
  .record({ answers: fc.array(answerCase, { minLength: 1, maxLength: 4 }), damage })
  .map(({ answers: all, damage: done }) => caseOf("answers", all, done));

function caseOf(kind: Kind, parts: readonly WireCase[], done: Damage): CodecCase {
  const text = parts.flatMap(({ pieces }) => pieces).join("");
  const isDamaged = done.mutations.length + done.extras.length > 0;
  return {
    kind,
    text: mutate(done.extras.reduce(insertLine, text), done.mutations),
    methods: kind === "requests" ? [] : parts.map(({ ask }) => (ask === "HEAD" ? "HEAD" : "GET")),
    // Only the last one may end with the connection.
    isSound:
      !isDamaged &&
      parts.every(({ isSound, end }, i) => isSound && (end === "keep" || i === parts.length - 1)),
  };
}

export const codecCases: fc.Arbitrary<CodecCase> = fc
  .oneof(requests, answers)
  .filter(({ text }) => text.length <= MAX_BYTES);
