/**
 * A backend that says what it is told to: to `GET /case-<mark>` the bytes of that case, however wrong, to anything
 * else a plain answer that names its target.
 */
import type { Socket } from "node:net";
import { setImmediate as nextRound } from "node:timers/promises";
import { type RawBackend, startRawBackend } from "../support/backend.ts";
import type { TestEnd } from "../support/cleanup.ts";
import { readRequests } from "./reference/requests.ts";
import type { WireCase } from "./wire-case.ts";

export interface ScriptedBackend {
  readonly backend: RawBackend;
  /** By target. */
  readonly scripts: Map<string, Pick<WireCase, "pieces" | "end">>;
}

export async function startScriptedBackend(t: TestEnd): Promise<ScriptedBackend> {
  const scripts: ScriptedBackend["scripts"] = new Map();
  const backend = await startRawBackend(t, (socket) => {
    let text = "";
    let turn = 0;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      const { whole, end } = readRequests(text, { emptyLines: false });
      text = text.slice(end);
      for (const { target } of whole) {
        const ours = ++turn;
        const script = scripts.get(target);
        // Once the next request is here, what is said later would be said to that one.
        if (script) void play(socket, script, () => ours === turn);
        else socket.write(plainAnswer(target));
      }
    });
  });
  return { backend, scripts };
}

async function play(
  socket: Socket,
  script: Pick<WireCase, "pieces" | "end">,
  isOurs: () => boolean,
): Promise<void> {
  for (const piece of script.pieces) {
    if (!isOurs() || !socket.writable) return;
    socket.write(piece, "latin1");
    await nextRound();
  }
  if (!isOurs()) return;
  if (script.end === "fin") socket.end();
  if (script.end === "reset") socket.resetAndDestroy();
}

function plainAnswer(target: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`;
}
