/**
 * Runs cases of answers: a client asks, the backend says the bytes of the case, then the client asks for something
 * plain on the same connection. The backend's connection goes on serving others, so what it left there would show.
 */
import type { TestEnd } from "../support/cleanup.ts";
import { addressOf } from "./address.ts";
import { judgeAnswer } from "./answer-judge.ts";
import { type ExchangeOptions, exchange } from "./exchange.ts";
import { type AnswerRead, readAnswer } from "./reference/answers.ts";
import { type ScriptedBackend, startScriptedBackend } from "./scripted-backend.ts";
import type { Target } from "./subject.ts";
import { cutInto, endsOf, type Fault, markOf, type WireCase, withMark } from "./wire-case.ts";

export class AnswerRuns {
  readonly #scripted: ScriptedBackend;
  #number = 0;

  private constructor(scripted: ScriptedBackend) {
    this.#scripted = scripted;
  }

  static async start(t: TestEnd): Promise<AnswerRuns> {
    return new AnswerRuns(await startScriptedBackend(t));
  }

  get backendUrl(): string {
    return this.#scripted.backend.url;
  }

  /** Nothing that comes is nobody's: the client asks, the backend only answers. */
  takeStrays(): Fault[] {
    return [];
  }

  /** @returns what was wrong with it; empty when nothing was. */
  async run({ port, answerLimitMs }: Target, wireCase: WireCase): Promise<Fault[]> {
    const number = ++this.#number;
    const { ask = "GET", end } = wireCase;
    const method = ask === "HEAD" ? "HEAD" : "GET";
    const pieces = withMark(wireCase.pieces, number);
    const said = readAnswer(pieces.join(""), 0, { method, isClosed: end === "fin" });
    const target = `/case-${markOf(number)}`;
    const plainTarget = `/plain-${markOf(number)}`;
    this.#scripted.scripts.set(target, { pieces: holdTogether(pieces, said), end });
    const isDone = followUp({ said, ask, method, plainTarget });
    const options = { port, address: addressOf(number), limitMs: answerLimitMs, isDone };
    const got = await exchange({ pieces: [requestText(ask, target)], end: "keep" }, options);
    this.#scripted.scripts.delete(target);
    return judgeAnswer(wireCase, said, got, plainTarget);
  }
}

/** Asks for `plainTarget` as soon as the answer is whole, and is done with that one's. */
function followUp(given: {
  said: AnswerRead;
  ask: WireCase["ask"];
  method: string;
  plainTarget: string;
}): ExchangeOptions["isDone"] {
  const { said, ask, method, plainTarget } = given;
  let hasFollowed = false;
  return (text, send) => {
    const first = readAnswer(text, 0, { method, isClosed: false });
    const tunnel = first.answer?.framing === "tunnel" ? first.answer : null;
    if (tunnel !== null) return tunnel.body.length >= (said.answer?.body.length ?? 0);
    if (first.kind !== "whole" || ask === "HTTP/1.0") return false;
    if (!hasFollowed) send(requestText("GET", plainTarget));
    hasFollowed = true;
    return readAnswer(text, first.end, { method: "GET", isClosed: false }).kind === "whole";
  };
}

function requestText(ask: WireCase["ask"], target: string): string {
  const upgrade = ask === "upgrade" ? "Connection: Upgrade\r\nUpgrade: echo\r\n" : "";
  const version = ask === "HTTP/1.0" ? "1.0" : "1.1";
  return `${ask === "HEAD" ? "HEAD" : "GET"} ${target} HTTP/${version}\r\nHost: h\r\n${upgrade}\r\n`;
}

/**
 * What stands behind a whole answer leaves with its end, in one write: a proxy that has not got it yet when it sends
 * the next request cannot know that it does not belong to that one.
 */
function holdTogether(pieces: readonly string[], { kind, end }: AnswerRead): string[] {
  if (kind !== "whole") return [...pieces];
  const cuts = endsOf(pieces).filter((cut) => cut < end);
  return cutInto(pieces.join(""), cuts);
}
