/**
 * The smallest proxy that keeps the promises the fuzzers check, made of the strict reference itself, and the flaws it
 * can be given. It is there to try the fuzzers: without a flaw they must find nothing, with each one they must find it.
 *
 * Holds every message whole in memory and serves the requests of a connection one after the other.
 */
import type { Socket } from "node:net";
import { startRawBackend } from "../../support/backend.ts";
import type { TestEnd } from "../../support/cleanup.ts";
import { readRequests } from "../reference/requests.ts";
import type { Subject } from "../subject.ts";
import { BackendSide } from "./backend-side.ts";
import { type Flaws, IDLE_LIMIT_MS } from "./flaws.ts";

/** Twice its own and more. */
const ANSWER_LIMIT_MS = 1_000;

export async function startTinyProxy(t: TestEnd, backendUrl: string, flaws: Flaws = {}): Promise<Subject> {
  const backends = new BackendSide(Number(new URL(backendUrl).port), flaws);
  const listener = await startRawBackend(t, (client) => serve(client, backends, flaws), {
    allowHalfOpen: true,
  });
  return { port: listener.port, answerLimitMs: ANSWER_LIMIT_MS, faults: () => Promise.resolve([]) };
}

function serve(client: Socket, backends: BackendSide, flaws: Flaws): void {
  const address = client.remoteAddress ?? "unknown";
  let text = "";
  let isServing = false;
  let timer: NodeJS.Timeout | undefined;
  const refuse = (status: string): void => {
    client.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  };

  /** @returns whether there may be more to do at once. */
  const turn = async (): Promise<boolean> => {
    text = flaws.repair?.(text) ?? text;
    const { whole, end, rest } = readRequests(text, { emptyLines: true });
    text = text.slice(end);
    for (const request of whole) client.write(await backends.forward(request, address), "latin1");
    if (rest === "over") client.end();
    else if (rest === "malformed" && !flaws.waitsForever) refuse("400 Bad Request");
    else return whole.length > 0;
    return false;
  };

  const go = async (): Promise<void> => {
    if (isServing) return;
    isServing = true;
    clearTimeout(timer);
    while (await turn());
    isServing = false;
    if (!client.writable)
      isServing = true; // for good
    else if (client.readableEnded) client.end();
    else if (text !== "" && !flaws.waitsForever)
      timer = setTimeout(refuse, IDLE_LIMIT_MS, "408 Request Timeout");
  };

  client.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    void go();
  });
  client.once("end", () => void go());
  client.once("close", () => clearTimeout(timer));
}
