/** One connection of a fuzzer's client: sends the pieces of a case, and tells everything that came back. */
import { connect, type Socket } from "node:net";
import { setImmediate as nextRound } from "node:timers/promises";
import type { WireCase } from "./wire-case.ts";

export interface Exchanged {
  /** latin1. */
  readonly text: string;
  /** `open`: it was ended by us, either because all had come or because the limit had passed. */
  readonly ending: "open" | "end" | "reset";
  readonly isLate: boolean;
}

export interface ExchangeOptions {
  readonly port: number;
  /** Where to connect from. */
  readonly address: string;
  /** Counts from the last byte that was sent. */
  readonly limitMs: number;
  /** Whether `text` is all that is to come, so that the connection need not end by itself; may send more. */
  isDone(text: string, send: (bytes: string) => void): boolean;
}

export async function exchange(
  { pieces, end }: Pick<WireCase, "pieces" | "end">,
  { port, address, limitMs, isDone }: ExchangeOptions,
): Promise<Exchanged> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    localAddress: address,
    allowHalfOpen: true,
    noDelay: true,
  });
  let text = "";
  let ending: Exchanged["ending"] = "open";
  let isLate = false;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    const giveUp = (): void => {
      isLate = true;
      resolve();
    };
    const settle = (how: Exchanged["ending"]): void => {
      if (ending === "open") ending = how;
      resolve();
    };
    const look = (): void => {
      if (isDone(text, (bytes) => socket.write(bytes, "latin1"))) resolve();
    };
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      look();
    });
    socket.once("end", () => settle("end"));
    socket.on("error", () => settle("reset"));
    socket.once("close", () => settle("reset"));
    timer = setTimeout(giveUp, 2 * limitMs); // for connecting and sending
    const onSent = (): void => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, limitMs);
      if (end === "reset") resolve();
      else look();
    };
    socket.once("connect", () => void send(socket, pieces, end).then(onSent));
  });
  clearTimeout(timer);
  if (end === "reset") socket.resetAndDestroy();
  else socket.destroy();
  return { text, ending, isLate };
}

/** A round of the event loop lies between two pieces, so that they leave in two packets. */
async function send(socket: Socket, pieces: readonly string[], end: WireCase["end"]): Promise<void> {
  for (const piece of pieces) {
    if (!socket.writable) return;
    socket.write(piece, "latin1");
    await nextRound();
  }
  if (end === "fin" && socket.writable) socket.end();
}
