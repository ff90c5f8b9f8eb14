/** Everything that is asked of one case. */
import { judgeChops } from "./chops.ts";
import { type CodecCase, readWithCodec } from "./codec-case.ts";
import { judge } from "./judge.ts";
import type { KnownHeads, Reading } from "./reading.ts";
import { judgeConnection } from "./real-connections.ts";

export interface Trial {
  /** What is wrong; null when nothing is. */
  readonly fault: string | null;
  readonly reading: Reading;
}

/** Also what is thrown is a fault. @param isChopped it is read again in other pieces. */
export function tryCase(wireCase: CodecCase, isChopped = true): Trial {
  const bytes = Buffer.from(wireCase.text, "latin1");
  const known: KnownHeads = new Map();
  try {
    const reading = readWithCodec(wireCase, [bytes], known);
    const fault =
      judgeSoundness(wireCase, reading) ??
      judge(wireCase, reading) ??
      judgeConnection(wireCase, bytes, reading, isChopped) ??
      (isChopped ? judgeChops(wireCase, bytes, reading, known) : null);
    return { fault, reading };
  } catch (error) {
    return { fault: `thrown: ${error}`, reading: { messages: [], ending: "refused", used: 0 } };
  }
}

/** Strict must not mean that nothing is taken. */
function judgeSoundness({ isSound }: CodecCase, { ending, messages }: Reading): string | null {
  if (!isSound || (ending !== "refused" && messages.length > 0 && messages.at(-1)?.end !== -1)) return null;
  return "a sound case was not read to its end";
}
