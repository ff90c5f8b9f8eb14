/**
 * The clients of event streams: each reads one stream, and opens the next as EventSource does when it ended.
 *
 * Whole events alone count, numbered without a gap in each stream.
 */
import { type IncomingMessage, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Version } from "../core/version.ts";
import { localPortOf } from "./ask.ts";
import { EventReader } from "./event-stream.ts";
import { ANSWER_LIMIT_MS, type Load, upTo } from "./load.ts";

const KIND = "events";
const RECONNECT_PAUSE_MS = 100;

export async function eventStreams(load: Load): Promise<void> {
  while (!load.isEnding) {
    await readStream(load);
    await delay(upTo(RECONNECT_PAUSE_MS));
  }
}

/** Settles when the stream is over, for whatever reason; tells the ledger which. */
function readStream(load: Load): Promise<void> {
  const { ledger, clock } = load;
  const { promise, resolve } = Promise.withResolvers<void>();
  const startMs = clock.nowMs();
  const outgoing = request({ host: "127.0.0.1", port: load.port, path: "/events", agent: false });
  const localPort = localPortOf(outgoing);
  const reader = new EventReader();
  let version: Version | null = null;
  let count = 0;
  let isOver = false;

  const finish = (tell: () => void): void => {
    if (isOver) return;
    isOver = true;
    tell();
    clearTimeout(silence);
    outgoing.destroy();
    resolve();
  };
  const lost = (why: string): void => finish(() => ledger.lost(KIND, why));
  const silence = setTimeout(() => lost(`no event for ${ANSWER_LIMIT_MS / 1_000} s`), ANSWER_LIMIT_MS);
  const cut = (error: Error): void =>
    finish(() => ledger.cut(KIND, { why: `cut: ${error.message}`, localPort: localPort(), version }));

  const read = (text: string): void => {
    for (const event of reader.push(text)) {
      if (isOver) return;
      if (event?.id !== ++count) return lost(`event ${count} is missing or torn`);
      ledger.done(KIND, event.sentAtMs);
    }
    silence.refresh();
    if (load.isEnding) finish(() => undefined);
  };
  const end = (): void => {
    if (reader.isAmidEvent) lost("the stream ended amid an event");
    else finish(() => ledger.ended(KIND, { why: "the stream ended", localPort: localPort(), version }));
  };

  outgoing.on("error", cut);
  outgoing.on("response", (response: IncomingMessage) => {
    if (response.statusCode !== 200) return lost(`status ${response.statusCode} to an event stream`);
    version = String(response.headers["x-version"]);
    ledger.routed(KIND, version, startMs);
    response.setEncoding("utf8").on("data", read).on("end", end).on("error", cut);
  });
  outgoing.end();
  return promise;
}
