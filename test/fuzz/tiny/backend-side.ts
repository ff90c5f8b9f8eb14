/** The tiny proxy's side to its backend: kept connections, one request at a time on each, whole answers only. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type AnswerRead, readAnswer } from "../reference/answers.ts";
import type { RequestMessage } from "../reference/requests.ts";
import { type Flaws, IDLE_LIMIT_MS } from "./flaws.ts";
import { answerText, failure, requestText } from "./messages.ts";

const BAD_GATEWAY = "502 Bad Gateway";
const GATEWAY_TIMEOUT = "504 Gateway Timeout";

interface Connection {
  readonly socket: Socket;
  leftover: string;
}

export class BackendSide {
  readonly #port: number;
  readonly #flaws: Flaws;
  readonly #idle: Connection[] = [];

  constructor(port: number, flaws: Flaws) {
    this.#port = port;
    this.#flaws = flaws;
  }

  /** @returns the bytes of the answer for the client; of a failure when there is none. */
  async forward(request: RequestMessage, address: string): Promise<string> {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      const answer = isOpen(connection.socket) ? await this.#attempt(connection, request, address) : null;
      if (answer !== null) return answer;
    }
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined);
    return (await this.#attempt({ socket, leftover: "" }, request, address)) ?? failure(request, BAD_GATEWAY);
  }

  /** @returns null when the connection was dead when it was taken: it closed before a byte of the answer. */
  async #attempt(connection: Connection, request: RequestMessage, address: string): Promise<string | null> {
    const { dropsTrailers, endsBrokenAnswers, keepsLeftovers } = this.#flaws;
    const { socket } = connection;
    const answered = readFrom(connection, request.method);
    socket.write(requestText(dropsTrailers ? { ...request, trailers: [] } : request, address), "latin1");
    const { text, read } = await answered;
    if (text === "" && !isOpen(socket)) return null;
    const { answer, kind } = read;
    if (answer === null || answer.framing === "tunnel" || (kind !== "whole" && !endsBrokenAnswers)) {
      const isLate = kind === "incomplete" && isOpen(socket);
      socket.destroy();
      return failure(request, isLate ? GATEWAY_TIMEOUT : BAD_GATEWAY);
    }
    connection.leftover = text.slice(read.end);
    const isReusable = kind === "whole" && answer.framing !== "close" && isOpen(socket);
    if (isReusable && (connection.leftover === "" || keepsLeftovers)) this.#idle.push(connection);
    else socket.destroy();
    return answerText(answer, request);
  }
}

/** Until the answer is whole or wrong, the connection ends, or nothing comes for a while. */
async function readFrom(
  { socket, leftover }: Connection,
  method: string,
): Promise<{ text: string; read: AnswerRead }> {
  let text = leftover;
  const look = (isClosed: boolean): AnswerRead => readAnswer(text, 0, { method, isClosed });
  let read = look(false);
  const stopper = new AbortController();
  const stop = (): void => stopper.abort();
  const timer = setTimeout(stop, IDLE_LIMIT_MS);
  const onData = (bytes: Buffer): void => {
    text += bytes.toString("latin1");
    read = look(false);
    if (read.kind !== "incomplete") stop();
  };
  const onEnd = (): void => {
    read = look(true);
    stop();
  };
  const listeners = { data: onData, end: onEnd, error: stop, close: stop };
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
  if (read.kind === "incomplete" && !socket.closed) await once(stopper.signal, "abort");
  clearTimeout(timer);
  for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
  return { text, read };
}

function isOpen(socket: Socket): boolean {
  return socket.writable && socket.readable;
}
