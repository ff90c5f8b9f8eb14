/** The clients that ask and are answered: over one kept connection, over a new one each time, and with an upload. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, type ClientRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type Asked, ask } from "./ask.ts";
import type { Kind } from "./kinds.ts";
import { type Load, upTo } from "./load.ts";

const KEPT_PAUSE_MS = 20;
const SHORT_PAUSE_MS = 20;
const UPLOAD_PAUSE_MS = 200;
const MIB = 1 << 20;
const UPLOAD_BYTES = { min: MIB, max: 4 * MIB };
const PIECE_BYTES = MIB / 4;
/** An upload of 4 MiB takes a third of a second: some always run when a switch comes. */
const PIECE_PAUSE_MS = 20;

/** What all uploads are cut from. */
const content = randomBytes(UPLOAD_BYTES.max * 2);

export async function keptAlive(load: Load, name: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let number = 1; !load.isEnding; number++) {
    await echo(load, "kept-alive", { agent, path: `/kept/${name}/${number}` });
    await delay(upTo(KEPT_PAUSE_MS));
  }
  agent.destroy();
}

export async function shortConnections(load: Load, name: number): Promise<void> {
  for (let number = 1; !load.isEnding; number++) {
    await echo(load, "short", { agent: false, path: `/short/${name}/${number}` });
    await delay(upTo(SHORT_PAUSE_MS));
  }
}

/** With a length and in chunks by turns. */
export async function uploads(load: Load): Promise<void> {
  for (let number = 1; !load.isEnding; number++) {
    const bytes = UPLOAD_BYTES.min + Math.floor(upTo(UPLOAD_BYTES.max - UPLOAD_BYTES.min));
    const start = Math.floor(upTo(content.length - bytes));
    const body = content.subarray(start, start + bytes);
    const headers: Record<string, string> = number % 2 === 0 ? { "Content-Length": String(bytes) } : {};
    const startMs = load.clock.nowMs();
    const asked = await ask({
      port: load.port,
      method: "POST",
      path: "/upload",
      headers,
      agent: false,
      send: (outgoing) => void sendSlowly(outgoing, body),
    });
    const sha256 = createHash("sha256").update(body).digest("hex");
    judge(load, "upload", { asked, startMs, expected: { bytes, sha256 } });
    await delay(upTo(UPLOAD_PAUSE_MS));
  }
}

async function echo(
  load: Load,
  kind: Kind,
  { agent, path }: { agent: Agent | false; path: string },
): Promise<void> {
  const startMs = load.clock.nowMs();
  const asked = await ask({ port: load.port, method: "GET", path, agent });
  judge(load, kind, { asked, startMs, expected: { target: path } });
}

/** Stops when the connection is gone; the answer tells, or that there is none. */
async function sendSlowly(outgoing: ClientRequest, body: Buffer): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  try {
    for (let at = 0; at < body.length && !gone.signal.aborted; at += PIECE_BYTES) {
      const isFull = !outgoing.write(body.subarray(at, at + PIECE_BYTES));
      if (isFull) await once(outgoing, "drain", { signal: gone.signal });
      await delay(PIECE_PAUSE_MS, undefined, { signal: gone.signal });
    }
    outgoing.end();
  } catch {
    // gone, or told by "error"
  }
}

/** @param expected fields of the answer, besides the version. */
function judge(
  { ledger }: Load,
  kind: Kind,
  {
    asked,
    startMs,
    expected,
  }: { asked: Asked; startMs: number; expected: Readonly<Record<string, unknown>> },
): void {
  if (!asked.isWhole) {
    ledger.cut(kind, { why: asked.why, localPort: asked.localPort, version: null });
    return;
  }
  const fields = asked.status === 200 ? parse(asked.body) : {};
  const isRight = Object.entries(expected).every(([name, value]) => fields[name] === value);
  if (!isRight || typeof fields.version !== "string") {
    ledger.lost(kind, `wrong answer: ${asked.status} ${asked.body}`);
    return;
  }
  ledger.routed(kind, fields.version, startMs);
  ledger.done(kind, startMs);
}

function parse(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return {};
  }
}
