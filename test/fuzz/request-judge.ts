/** Judges what a client got for its bytes: answers that are well-formed, each the one to its request. Pure. */
import type { Exchanged } from "./exchange.ts";
import { bodyOf, SERIAL } from "./recording-backend.ts";
import { type AnswerRead, readAnswer } from "./reference/answers.ts";
import { valuesOf } from "./reference/cursor.ts";
import { requestDifference } from "./reference/fidelity.ts";
import type { RequestMessage, RequestsRead } from "./reference/requests.ts";
import type { Fault } from "./wire-case.ts";

/** Statuses that a proxy may answer a client's request with by itself while its backend is well. */
const OWN_REFUSALS = [501, 505, 508];
const TIMEOUT = 408;
const GATEWAY_TIMEOUT = 504;
/** Too slow, too long: refused with no more than a part of the head. */
const HEAD_UNREAD = [TIMEOUT, 414, 431];

/**
 * @param sent what the strict reference reads from the client's bytes.
 * @param seen by serial number what the backend saw of it; null: something else, which is a fault already.
 * @param isSound every request must have been served.
 */
export function judgeAnswers(
  sent: RequestsRead,
  seen: ReadonlyMap<number, RequestMessage | null>,
  { text, ending, isLate }: Exchanged,
  isSound: boolean,
): Fault[] {
  const faults: Fault[] = [];
  const fault = (what: string, isTiming = false): void => {
    const context = `the client had sent ${describe(sent)} and got ${JSON.stringify(text)}, ${ending}`;
    faults.push({ what: `${what}; ${context}`, isTiming });
  };
  const isMore = sent.rest === "incomplete" || sent.rest === "malformed";
  const mayAnswer = sent.whole.length + (isMore ? 1 : 0);
  const served = new Set<number>();
  let own = 0;
  let answered = 0;
  for (let at = 0; at < text.length; answered++) {
    const nth = `answer ${answered + 1}`;
    if (answered >= mayAnswer) {
      fault(`more behind the ${mayAnswer} answers that were asked for`);
      return faults;
    }
    const request = sent.whole[answered] ?? null;
    const method = request?.method ?? sent.begun?.method ?? null;
    const { kind, why, answer, end } = readNext(text, at, method, ending === "end");
    // Interim answers alone are none yet: a client that has ended its side may be left with them.
    const isInterimOnly = answer === null && end === text.length;
    if (kind === "incomplete" && (ending !== "end" || isInterimOnly)) break;
    if (kind !== "whole" || answer === null) {
      fault(`${nth} is ${kind}: ${why}`);
      return faults;
    }
    at = end;
    const serial = Number(valuesOf(answer.fields, SERIAL.toLowerCase())[0] ?? Number.NaN);
    if (Number.isNaN(serial)) {
      const { status } = answer;
      const isTimeout = status === TIMEOUT || status === GATEWAY_TIMEOUT;
      const asked = request ?? sent.begun; // the last one answers before the body
      const isOwn = status === 200 && asked !== null && endsAtProxy(asked);
      if (isOwn) own++;
      else if (!isRefusal(status)) fault(`${nth} is ${status}, and not the backend's`, isTimeout);
      continue;
    }
    const answeredRequest = seen.get(serial);
    if (answeredRequest === undefined) fault(`${nth} is another client's`);
    else if (served.has(serial)) fault(`${nth} came twice`);
    else if (answeredRequest !== null && differs(request, answeredRequest)) {
      fault(`${nth} is that to ${show(answeredRequest)}`);
    } else if (method !== "HEAD" && answer.body !== bodyOf(serial)) fault(`${nth} has another's body`);
    served.add(serial);
  }
  if (isLate) fault("neither answered nor closed in time", true);
  else if (isSound && served.size + own < sent.whole.length) {
    fault(`${served.size + own} of ${sent.whole.length} sound requests were served`, true);
  }
  return faults;
}

function isRefusal(status: number): boolean {
  return (status >= 400 && status < 500) || OWN_REFUSALS.includes(status);
}

/** RFC 9110 §7.6.2: the proxy is the last one, and answers by itself. */
function endsAtProxy({ method, fields }: RequestMessage): boolean {
  const left = valuesOf(fields, "max-forwards");
  return (method === "OPTIONS" || method === "TRACE") && left.length === 1 && Number(left[0]) === 0;
}

function differs(request: RequestMessage | null, answered: RequestMessage): boolean {
  return request === null || requestDifference(request, answered) !== null;
}

/** A request that was refused before its head was read may have been one with HEAD: nobody knows. */
function readNext(text: string, at: number, method: string | null, isClosed: boolean): AnswerRead {
  const read = readAnswer(text, at, { method: method ?? "GET", isClosed });
  const isHeadUnread = method === "HEAD" && HEAD_UNREAD.includes(read.answer?.status ?? 0);
  const isEither = isHeadUnread || (method === null && read.kind !== "whole");
  if (!isEither) return read;
  const other = readAnswer(text, at, { method: method === null ? "HEAD" : "GET", isClosed });
  return other.kind === "whole" ? other : read;
}

/** How many of `requests` are answered whole in `text`. */
export function countAnswers(text: string, requests: readonly RequestMessage[]): number {
  let count = 0;
  let at = 0;
  for (const { method } of requests) {
    const { kind, end } = readAnswer(text, at, { method, isClosed: false });
    if (kind !== "whole") break;
    count++;
    at = end;
  }
  return count;
}

/** In few words. */
export function describe({ whole, rest, why, begun }: RequestsRead): string {
  const lines = whole.map(({ method, target }) => `${method} ${target.slice(0, 80)}`);
  const last = begun === null || rest === "over" ? "" : ` ${begun.method} ${begun.target.slice(0, 80)}`;
  const end = rest === "nothing" ? "nothing more" : `then ${rest}${last}${why === "" ? "" : ` (${why})`}`;
  return `${whole.length} whole [${lines.join(", ")}], ${end}`;
}

/** As text, in quotes. */
export function show({ method, target, version, fields, body, trailers }: RequestMessage): string {
  const [head, tail] = [fields, trailers].map((list) =>
    list.map(({ name, value }) => `${name}: ${value}\r\n`).join(""),
  );
  return JSON.stringify(`${method} ${target} HTTP/${version}\r\n${head}\r\n${body}${tail}`);
}
