/**
 * A backend that takes nothing for granted: reads its bytes with the strict reference, answers each whole request
 * with its own serial number, and says what else has come.
 */
import type { Socket } from "node:net";
import { type RawBackend, startRawBackend } from "../support/backend.ts";
import type { TestEnd } from "../support/cleanup.ts";
import { listOf, valuesOf } from "./reference/cursor.ts";
import { type RequestMessage, readRequests } from "./reference/requests.ts";

/** The answer's field that holds the serial number; its body says it once more. */
export const SERIAL = "X-Serial";

export interface BackendEvents {
  onWhole(request: RequestMessage, serial: number): void;
  /** The connection ended in the middle of it. */
  onBroken(begun: RequestMessage): void;
  /** @param text everything from the beginning of the bad request. */
  onMalformed(text: string, why: string): void;
}

export async function startRecordingBackend(t: TestEnd, events: BackendEvents): Promise<RawBackend> {
  let lastSerial = 0;
  return await startRawBackend(t, (socket) => {
    let text = "";
    let begun: RequestMessage | null = null;
    let isContinued = false;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      const read = readRequests(text, { emptyLines: false });
      text = text.slice(read.end);
      begun = read.begun;
      for (const request of read.whole) {
        isContinued = false;
        events.onWhole(request, ++lastSerial);
        socket.write(answerTo(request, lastSerial), "latin1");
      }
      if (read.rest === "malformed" || (read.rest === "over" && text !== "")) {
        events.onMalformed(text, read.why || "more after a request that said close");
        refuse(socket);
      } else if (read.rest === "over") {
        socket.end();
      } else if (begun !== null && !isContinued && listOf(begun.fields, "expect").includes("100-continue")) {
        isContinued = true;
        socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      }
    });
    socket.once("close", () => {
      if (begun !== null && text !== "") events.onBroken(begun);
    });
  });
}

function refuse(socket: Socket): void {
  socket.removeAllListeners("data");
  socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/** Framed by turns. */
function answerTo({ method }: RequestMessage, serial: number): string {
  const body = bodyOf(serial);
  const head = `HTTP/1.1 200 OK\r\n${SERIAL}: ${serial}\r\n`;
  if (method === "HEAD") return `${head}Content-Length: ${body.length}\r\n\r\n`;
  if (serial % 2 === 0) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}

export function bodyOf(serial: number): string {
  return `answer ${serial}`;
}

/** The client's address as the proxy has stamped it: the last of the last X-Forwarded-For; null without any. */
export function clientOf({ fields }: RequestMessage): string | null {
  return valuesOf(fields, "x-forwarded-for").at(-1)?.split(",").at(-1)?.trim() ?? null;
}
