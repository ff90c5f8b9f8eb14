/** Ask: one request of the drill and its whole answer, or why there is none. Judges nothing. */
import { type Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { ANSWER_LIMIT_MS } from "./load.ts";

export interface Question {
  readonly port: number;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** false is a new connection that is closed after. */
  readonly agent: Agent | false;
  /** Writes the body and ends it. */
  readonly send?: (outgoing: ClientRequest) => void;
}

export type Asked =
  | { readonly isWhole: true; readonly status: number; readonly body: string }
  | { readonly isWhole: false; readonly why: string; readonly localPort: number | null };

/** Settles in any case, within 10 s. */
export function ask({ port, method, path, headers = {}, agent, send }: Question): Promise<Asked> {
  const outgoing = request({ host: "127.0.0.1", port, method, path, headers, agent });
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const localPort = localPortOf(outgoing);
  let hasTimedOut = false;
  const limit = setTimeout(() => {
    hasTimedOut = true;
    outgoing.destroy();
  }, ANSWER_LIMIT_MS);
  const fail = (error: Error): void => {
    const why = hasTimedOut ? `nothing for ${ANSWER_LIMIT_MS / 1_000} s` : error.message;
    resolve({
      isWhole: false,
      why: `${method} ${path}: ${why}`,
      localPort: hasTimedOut ? null : localPort(),
    });
  };
  outgoing.on("error", fail);
  outgoing.on("response", (response: IncomingMessage) => {
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    response.on("error", fail);
    response.on("end", () => resolve({ isWhole: true, status: response.statusCode ?? 0, body }));
  });
  if (send) send(outgoing);
  else outgoing.end();
  return promise.finally(() => clearTimeout(limit));
}

/** @returns null until there is a connection; its port also when it has closed since. */
export function localPortOf(outgoing: ClientRequest): () => number | null {
  let port: number | null = null;
  outgoing.once("socket", (socket) => {
    const remember = (): void => {
      port = socket.localPort ?? null;
    };
    if (socket.connecting) socket.once("connect", remember);
    else remember();
  });
  return () => port;
}
