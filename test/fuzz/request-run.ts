/**
 * Runs cases of requests against a proxy, each from an address of its own, and judges them: what the backend saw by
 * what the strict reference reads from the client's bytes, and every answer by the request it came for.
 */
import type { RawBackend } from "../support/backend.ts";
import type { TestEnd } from "../support/cleanup.ts";
import { addressOf } from "./address.ts";
import { exchange } from "./exchange.ts";
import { clientOf, startRecordingBackend } from "./recording-backend.ts";
import { isBeginningOf, requestDifference } from "./reference/fidelity.ts";
import { type RequestMessage, type RequestsRead, readRequests } from "./reference/requests.ts";
import { countAnswers, describe, judgeAnswers, show } from "./request-judge.ts";
import type { Target } from "./subject.ts";
import { type Fault, type WireCase, withMark } from "./wire-case.ts";

/** So many cases after its own a request may still arrive, and is judged by the same rules. */
const KEPT_CASES = 10_000;

interface Running {
  readonly isReset: boolean;
  readonly sent: RequestsRead;
  /** Of `sent.whole`: those the backend has not seen. */
  readonly unseen: Set<RequestMessage>;
  readonly seen: Map<number, RequestMessage | null>;
  readonly faults: Fault[];
}

export class RequestRuns {
  #backend: RawBackend | undefined;
  /** By address. */
  readonly #running = new Map<string, Running>();
  #strays: Fault[] = [];
  #number = 0;

  static async start(t: TestEnd): Promise<RequestRuns> {
    const runs = new RequestRuns();
    runs.#backend = await startRecordingBackend(t, {
      onWhole: (request, serial) => runs.#onWhole(request, serial),
      onBroken: (begun) => runs.#onBroken(begun),
      onMalformed: (text, why) =>
        runs.#stray(`the backend was sent no HTTP, ${why}: ${JSON.stringify(text)}`),
    });
    return runs;
  }

  get backendUrl(): string {
    if (!this.#backend) throw new Error("not started");
    return this.#backend.url;
  }

  /** @returns what was wrong with it; empty when nothing was. */
  async run({ port, answerLimitMs }: Target, wireCase: WireCase): Promise<Fault[]> {
    const number = ++this.#number;
    const address = addressOf(number);
    const { end, isSound } = wireCase;
    const pieces = withMark(wireCase.pieces, number);
    const sent = readRequests(pieces.join(""), { emptyLines: true });
    const unseen = new Set(sent.whole);
    const running: Running = { isReset: end === "reset", sent, unseen, seen: new Map(), faults: [] };
    this.#running.set(address, running);
    this.#running.delete(addressOf(number - KEPT_CASES));
    const isDone = (text: string): boolean =>
      end === "keep" && sent.rest === "nothing" && countAnswers(text, sent.whole) === sent.whole.length;
    const got = await exchange({ pieces, end }, { port, address, limitMs: answerLimitMs, isDone });
    // A client that ends its side may be taken for one that has left.
    const mustServe = isSound && end === "keep";
    return end === "reset"
      ? running.faults
      : [...running.faults, ...judgeAnswers(sent, running.seen, got, mustServe)];
  }

  /** What the backend saw that no running case can be blamed for, since the last call. */
  takeStrays(): Fault[] {
    const strays = this.#strays;
    this.#strays = [];
    return strays;
  }

  #onWhole(request: RequestMessage, serial: number): void {
    const running = this.#runningOf(request);
    if (running === undefined)
      return this.#stray(`the backend got what no client has sent: ${show(request)}`);
    const { unseen, seen, sent, faults } = running;
    const original = [...unseen].find((one) => requestDifference(one, request) === null);
    seen.set(serial, original === undefined ? null : request);
    if (original !== undefined) {
      unseen.delete(original);
      return;
    }
    const differences = [...unseen].map((one) => requestDifference(one, request)).join("; or ");
    const what = `the backend got ${show(request)}; the client had sent ${describe(sent)}`;
    faults.push({ what: `${what}; ${differences || "all of it had been seen"}`, isTiming: false });
  }

  #onBroken(begun: RequestMessage): void {
    const running = this.#runningOf(begun);
    const what = `the backend got the beginning of ${show(begun)}`;
    if (running === undefined) this.#stray(`${what}, which no client has sent`);
    else if (!hasBegun(running, begun)) {
      running.faults.push({
        what: `${what}; the client had sent ${describe(running.sent)}`,
        isTiming: false,
      });
    }
  }

  /** Of a client that is gone, a proxy may not know the address any more; then what it sent has to do. */
  #runningOf(request: RequestMessage): Running | undefined {
    const address = clientOf(request);
    if (address !== "unknown") return this.#running.get(address ?? "");
    return [...this.#running.values()].find((running) => running.isReset && hasBegun(running, request));
  }

  #stray(what: string): void {
    this.#strays.push({ what, isTiming: false });
  }
}

function hasBegun({ sent: { whole, begun } }: Running, seen: RequestMessage): boolean {
  return [...whole, begun].some((sent) => sent !== null && isBeginningOf(sent, seen));
}
