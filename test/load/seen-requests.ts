/**
 * What clients have seen of a row of switches: which version answered which request, and how long it took.
 *
 * Pure. All times are those of `process.hrtime`, in ms: one monotonic clock for all processes of a machine, so that
 * what one process sent can be compared with what another was told.
 */

/** One switch as its caller saw it. */
export interface SeenSwitch {
  readonly from: string;
  readonly to: string;
  /** Just before the call was sent, and just after its whole 200 had come. */
  readonly calledMs: number;
  readonly answeredMs: number;
}

export interface SeenRequest {
  /** Its connection. */
  readonly client: number;
  readonly sentMs: number;
  readonly endedMs: number;
  /** From when it should have been sent. */
  readonly latencyMs: number;
  /** The body of a 200; what went wrong otherwise. */
  readonly saw: string;
  readonly isAnswered: boolean;
}

/** One switch with the requests that it alone explains. */
interface Span {
  readonly seen: SeenSwitch;
  readonly requests: readonly SeenRequest[];
}

/**
 * Each with the requests that were sent after the answer to the switch before and had ended before the next was
 * called: no other switch can be why they saw what they saw.
 *
 * @param requests in the order in which they ended. @param switches in their order.
 */
export function spansOf(requests: readonly SeenRequest[], switches: readonly SeenSwitch[]): Span[] {
  let from = 0;
  return switches.map((seen, i) => {
    const [sinceMs, untilMs] = [switches[i - 1]?.answeredMs ?? 0, switches[i + 1]?.calledMs ?? Infinity];
    const own: SeenRequest[] = [];
    for (; from < requests.length; from++) {
      const request = requests[from];
      if (request === undefined || request.endedMs >= untilMs) break;
      if (request.sentMs > sinceMs) own.push(request);
    }
    return { seen, requests: own };
  });
}

/** Those that were sent when the 200 had arrived. */
export function sentAfterAnswer({ seen, requests }: Span): SeenRequest[] {
  return requests.filter(({ sentMs }) => sentMs > seen.answeredMs);
}

/** Answered by the old version though sent after the whole answer; must be none. */
export function stale(span: Span): SeenRequest[] {
  return sentAfterAnswer(span).filter(({ saw, isAnswered }) => isAnswered && saw !== span.seen.to);
}

/**
 * Answered by the old version though sent when an answer of the new one was there already.
 *
 * @param isAnybodys whoever had got that answer; else only the same connection.
 */
export function turnedBack({ seen, requests }: Span, isAnybodys: boolean): SeenRequest[] {
  const firstNewMs = new Map<number, number>();
  const keyOf = ({ client }: SeenRequest): number => (isAnybodys ? 0 : client);
  for (const request of requests) {
    if (request.saw === seen.to && !firstNewMs.has(keyOf(request)))
      firstNewMs.set(keyOf(request), request.endedMs);
  }
  return requests.filter(
    (request) => request.saw === seen.from && request.sentMs > (firstNewMs.get(keyOf(request)) ?? Infinity),
  );
}
