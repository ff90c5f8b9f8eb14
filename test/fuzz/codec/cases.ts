/** What chance makes up for the codec: the grammars of the other fuzzers, in sequences, with more damage on top. */
import * as fc from "fast-check";
import { answerCase } from "../answer-grammar.ts";
import { mutate, mutations, undamaged } from "../mutations.ts";
import { mostly } from "../pick.ts";
import { requestCase } from "../request-grammar.ts";
import type { WireCase } from "../wire-case.ts";
import type { CodecCase, Kind } from "./codec-case.ts";

/** Each case is read once for each of its bytes: long ones are for the fuzzers over sockets. */
const MAX_BYTES = 1_200;

const damages = mostly(undamaged, mutations, 2);

const requests: fc.Arbitrary<CodecCase> = fc
  .record({ wireCase: requestCase, damage: damages })
  .map(({ wireCase, damage }) => caseOf("requests", [wireCase], damage));

const answers: fc.Arbitrary<CodecCase> = fc
  .record({ answers: fc.array(answerCase, { minLength: 1, maxLength: 4 }), damage: damages })
  .map(({ answers: all, damage }) => caseOf("answers", all, damage));

function caseOf(kind: Kind, parts: readonly WireCase[], damage: Parameters<typeof mutate>[1]): CodecCase {
  const text = parts.flatMap(({ pieces }) => pieces).join("");
  return {
    kind,
    text: mutate(text, damage),
    methods: kind === "requests" ? [] : parts.map(({ ask }) => (ask === "HEAD" ? "HEAD" : "GET")),
    // Only the last one may end with the connection.
    isSound:
      damage.length === 0 &&
      parts.every(({ isSound, end }, i) => isSound && (end === "keep" || i === parts.length - 1)),
  };
}

export const codecCases: fc.Arbitrary<CodecCase> = fc
  .oneof(requests, answers)
  .filter(({ text }) => text.length <= MAX_BYTES);
