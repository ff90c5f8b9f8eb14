/** The two directions in which a proxy is fuzzed: what its clients send, and what its backends answer. */
import type * as fc from "fast-check";
import type { TestEnd } from "../support/cleanup.ts";
import { answerCase } from "./answer-grammar.ts";
import { AnswerRuns } from "./answer-run.ts";
import type { BatchResult } from "./fuzz-loop.ts";
import { requestCase } from "./request-grammar.ts";
import { RequestRuns } from "./request-run.ts";
import { type StartSubject, startDaemon } from "./subject.ts";
import { type Fault, MARK, type WireCase } from "./wire-case.ts";

export const DIRECTIONS = ["requests", "answers"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Campaign {
  readonly cases: fc.Arbitrary<WireCase>;
  /** All at once, and then a plain request on a connection of its own. */
  runBatch(batch: readonly WireCase[]): Promise<BatchResult>;
}

const PLAIN: Record<Direction, WireCase> = {
  requests: { pieces: [`GET /${MARK} HTTP/1.1\r\nHost: h\r\n\r\n`], end: "keep", isSound: true },
  answers: { pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"], end: "keep", isSound: true },
};

export async function startCampaign(
  t: TestEnd,
  direction: Direction,
  startSubject: StartSubject = startDaemon,
): Promise<Campaign> {
  const runs = direction === "requests" ? await RequestRuns.start(t) : await AnswerRuns.start(t);
  const subject = await startSubject(t, runs.backendUrl);
  return {
    cases: direction === "requests" ? requestCase : answerCase,
    runBatch: async (batch) => {
      const faults = await Promise.all(batch.map((wireCase) => runs.run(subject, wireCase)));
      const after = await runs.run(subject, PLAIN[direction]);
      const others: Fault[] = after.map(({ what, isTiming }) => ({
        what: `a plain request afterwards: ${what}`,
        isTiming,
      }));
      for (const what of await subject.faults()) others.push({ what, isTiming: false });
      return { faults, others: [...others, ...runs.takeStrays()] };
    },
  };
}
