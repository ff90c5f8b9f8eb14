/**
 * What heads cost: ns of CPU and bytes on the heap for each, from the bytes that came to the bytes that go out.
 *
 * `npm run bench:heads`. One process, no network, no exchange: requests are read, admitted, made for the backend and
 * written, answers likewise for the client. Sorts of heads are interleaved over the rounds. Two versions of the code
 * are compared by running their benches in turn, several times: the compiler decides anew at each start.
 */
import { admit } from "../../src/data-plane/admit/admit.ts";
import { framingFor } from "../../src/data-plane/forward/answer-framing.ts";
import {
  answerLines,
  isEventStream,
  isStreamType,
  mediaType,
} from "../../src/data-plane/forward/answer-headers.ts";
import { forwardedRequest, type HeaderPolicy } from "../../src/data-plane/forward/headers.ts";
import { clientSide } from "../../src/data-plane/listener/client-side.ts";
import { Recorder } from "../../src/data-plane/record/record.ts";
import { readAnswerHead } from "../../src/wire/answer-head.ts";
import { Fields } from "../../src/wire/fields.ts";
import { findHeadEnd } from "../../src/wire/head-search.ts";
import { readRequestHead } from "../../src/wire/request-head.ts";
import { alignColumns } from "../report.ts";
import { median, shuffled, spreadOf } from "../statistics.ts";
import { ANSWERS, REQUESTS } from "./head-samples.ts";

const ROUNDS = 15;
const ROUND_MS = 30;
const MAX_FIELDS = 100;
const HEAP_ROUNDS = 9;
const KEEP_ALIVE_LINES = "Connection: keep-alive\r\nKeep-Alive: timeout=65\r\n";

const policy: HeaderPolicy = {
  via: null,
  ownName: "_0123456789abcdef",
  hasXForwarded: true,
  hasForwarded: true,
  isTrusted: () => false,
  streamTypes: ["text/event-stream"],
};
const version = { version: "v1", versionIndex: 0 } as const;
const recorder = new Recorder([version]);
const side = clientSide("192.0.2.1", false);
const requestFields = new Fields();
const answerFields = new Fields();
/** In place of a socket: what is sent is made flat and copied once. */
const sent = Buffer.alloc(64 * 1024);

function passRequest(bytes: Buffer): void {
  const end = findHeadEnd(bytes, 0);
  const head = readRequestHead(bytes.toString("latin1", 0, end), requestFields, MAX_FIELDS);
  if ("fault" in head) throw new TypeError(head.fault);
  const admitted = admit(head, side.lastHost);
  if (admitted.code !== null) throw new TypeError(admitted.message);
  const request = forwardedRequest(head, admitted, side, "127.0.0.1:9001", policy);
  if ("code" in request) throw new TypeError(request.message);
  sent.write(request.head, 0, "latin1");
  recorder.request(version, request.method, 200, 0.5);
}

function passAnswer(bytes: Buffer): void {
  const end = findHeadEnd(bytes, 0);
  const head = readAnswerHead(bytes.toString("latin1", 0, end), answerFields, MAX_FIELDS, "GET");
  if ("fault" in head) throw new TypeError(head.fault);
  const framing = framingFor(head, 1);
  const type = mediaType(head);
  if (isStreamType(type, policy) || isEventStream(type, head)) throw new TypeError("no sample is a stream");
  const lines = answerLines(head, framing === "chunked", policy);
  const coding = framing === "chunked" ? "Transfer-Encoding: chunked\r\n" : "";
  const text = `${lines}${coding}${KEEP_ALIVE_LINES}\r\n`;
  sent.write(text, 0, "latin1");
}

interface Subject {
  readonly name: string;
  readonly heads: readonly Buffer[];
  readonly samplesNs: number[];
  pass(bytes: Buffer): void;
}

function passAll({ heads, pass }: Subject): void {
  for (const bytes of heads) pass(bytes);
}

/** Of CPU time: what others on the machine take is not ours. */
function measureNs(subject: Subject): number {
  const start = process.cpuUsage();
  let passed = 0;
  for (;;) {
    for (let i = 0; i < 4; i++) passAll(subject);
    passed += 4 * subject.heads.length;
    const { user, system } = process.cpuUsage(start);
    const spentMs = (user + system) / 1_000;
    if (spentMs >= ROUND_MS) return (spentMs * 1e6) / passed;
  }
}

/** Of so few heads that no collection comes between: what was allocated is still there. */
function measureBytes(subject: Subject, collect: () => void): number {
  const samples = Array.from({ length: HEAP_ROUNDS }, () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    passAll(subject);
    return (process.memoryUsage().heapUsed - before) / subject.heads.length;
  });
  return median(samples);
}

const collect = globalThis.gc;
if (collect === undefined) throw new TypeError("run it with node --expose-gc");
const subjects: Subject[] = [
  ...REQUESTS.map((each) => ({ ...each, samplesNs: [], pass: passRequest })),
  ...ANSWERS.map((each) => ({ ...each, samplesNs: [], pass: passAnswer })),
];
for (const subject of [...subjects, ...subjects]) measureNs(subject); // warm-up, thrown away
for (let round = 0; round < ROUNDS; round++) {
  for (const subject of shuffled(subjects)) subject.samplesNs.push(measureNs(subject));
}
const rows = subjects.map((subject) => {
  const { median: ns, min, max } = spreadOf(subject.samplesNs);
  const headBytes = subject.heads[0]?.length ?? 0;
  const bytes = measureBytes(subject, collect);
  return [subject.name, headBytes, ns, `${min.toFixed(0)}–${max.toFixed(0)}`, bytes].map((cell) =>
    typeof cell === "number" ? cell.toFixed(0) : cell,
  );
});
const titles = ["head", "bytes", "ns per head", "min–max", "heap bytes per head"];
process.stdout.write(`${alignColumns([titles, ...rows])}\n`);
