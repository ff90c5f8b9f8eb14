/**
 * Judges what a client got for a backend's bytes: the answer as it was, a failure of the proxy's own, or something
 * that can be seen to be broken; and behind it nothing but the answer to the next request. Pure.
 */
import type { Exchanged } from "./exchange.ts";
import { type AnswerMessage, type AnswerRead, readAnswer } from "./reference/answers.ts";
import { answerDifference, headDifference } from "./reference/fidelity.ts";
import type { Fault, WireCase } from "./wire-case.ts";

/** What a proxy says when the backend's answer is of no use. */
const OWN_FAILURES = [502, 504];
const RESET_CONTENT = 205;

/**
 * @param said what the strict reference reads from the backend's bytes.
 * @param plainBody that of the answer to the request that follows on the same connection.
 */
export function judgeAnswer(
  { ask, isSound }: WireCase,
  said: AnswerRead,
  { text, ending, isLate }: Exchanged,
  plainBody: string,
): Fault[] {
  const fault = (what: string, isTiming = false): Fault[] => {
    const why = said.why === "" ? "" : ` (${said.why})`;
    const context = `the backend's answer was ${said.kind}${why}, the client got ${JSON.stringify(text)}, ${ending}`;
    return [{ what: `${what}; ${context}`, isTiming }];
  };
  const got = readAnswer(text, 0, { method: ask === "HEAD" ? "HEAD" : "GET", isClosed: ending === "end" });
  if (isLate) return fault("neither answered nor closed in time", true);
  if (got.kind === "malformed") return fault(`the client got no HTTP, ${got.why}`);
  if (got.kind === "whole" || got.answer?.framing === "tunnel") {
    const wrong = got.answer === null ? null : wrongWith(got.answer, said, ask);
    if (wrong !== null && (isSound || !isOwnFailure(got.answer))) {
      return fault(
        `answered ${got.answer?.status} ${got.answer?.reason}: ${wrong}`,
        isOwnFailure(got.answer),
      );
    }
    const next = wrongWithNext(text.slice(got.end), ending, plainBody);
    return next === null ? [] : fault(next);
  }
  if (got.answer !== null && !isOwnFailure(got.answer) && !isBeginning(said.answer, got.answer)) {
    return fault("the client got the beginning of something else");
  }
  return isSound ? fault("a sound answer was broken off", true) : [];
}

function isOwnFailure(answer: AnswerMessage | null): boolean {
  return OWN_FAILURES.includes(answer?.status ?? 0);
}

function wrongWith(got: AnswerMessage, said: AnswerRead, ask: WireCase["ask"]): string | null {
  const isTunnel = got.framing === "tunnel";
  if (isTunnel && ask !== "upgrade") return "a 101 that was not asked for";
  const { answer } = said;
  // A 205 ends with its head, whatever the backend goes on to say.
  const isGood = said.kind === "whole" || isTunnel || answer?.status === RESET_CONTENT;
  if (answer === null || !isGood) return "there was no whole answer";
  if (!isTunnel) return answerDifference(answer, got, ask === "HTTP/1.0");
  return (
    headDifference(answer, got) ?? (answer.body.startsWith(got.body) ? null : "the tunnel's bytes are others")
  );
}

function isBeginning(said: AnswerMessage | null, got: AnswerMessage): boolean {
  return said !== null && headDifference(said, got) === null && said.body.startsWith(got.body);
}

/** @param rest what came behind the first answer. */
function wrongWithNext(rest: string, ending: Exchanged["ending"], plainBody: string): string | null {
  if (rest === "") return null;
  const { kind, answer } = readAnswer(rest, 0, { method: "GET", isClosed: ending === "end" });
  if (kind === "incomplete" && ending !== "end") return null;
  if (kind !== "whole" || answer === null) return "behind the answer there is something that is none";
  const isOwn = answer.status === 200 && answer.body === plainBody;
  return isOwn || isOwnFailure(answer) ? null : "the next request on the connection got another's answer";
}
