/**
 * One request over a connection of its own, through node:http: nothing is pooled, retried, followed or
 * decoded, and the path travels as it was given. For what node:http refuses to send there is raw-client.ts.
 */
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request as openRequest } from "node:http";
import { request as openTlsRequest } from "node:https";
import { withLimit } from "./wait.ts";

export type JsonObject = { readonly [key: string]: unknown };

export interface RequestOptions {
  method?: string;
  /** The request target, as it shall be sent. */
  path?: string;
  headers?: Readonly<Record<string, string | string[]>>;
  body?: string | Uint8Array;
  /** Where to connect to, and from which address of this machine; 127.0.0.1 unless told otherwise. */
  host?: string;
  localAddress?: string;
  limitMs?: number;
  /** A Unix socket, in place of host and port. */
  socketPath?: string;
  /** HTTPS: whom to believe, and who we are. */
  tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, …, as they came. */
  readonly rawHeaders: readonly string[];
  readonly bytes: Buffer;
  readonly body: string;
  /** The body read as a JSON object; throws, showing the body, when it is none. */
  json(): JsonObject;
}

/** @throws Error when the connection fails, the answer breaks off, or `limitMs` (10 s) passes. */
export async function request(port: number, options: RequestOptions = {}): Promise<Reply> {
  const { method = "GET", path = "/", headers = {}, body, limitMs = 10_000 } = options;
  const { host = "127.0.0.1", localAddress, socketPath, tls } = options;
  const outgoing = (tls === undefined ? openRequest : openTlsRequest)({
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(tls === undefined ? {} : { servername: "localhost", ...tls }), // else it is taken from the Host field
    host,
    ...(localAddress === undefined ? {} : { localAddress }),
    port,
    method,
    path,
    agent: false,
    headers: body === undefined ? headers : { "content-length": Buffer.byteLength(body), ...headers },
  });
  try {
    outgoing.end(body);
    return await withLimit(readReply(outgoing), limitMs, `an answer to ${method} ${path} on port ${port}`);
  } finally {
    outgoing.on("error", () => undefined); // destroy() may still report one
    outgoing.destroy();
  }
}

async function readReply(outgoing: ReturnType<typeof openRequest>): Promise<Reply> {
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const body = bytes.toString();
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    bytes,
    body,
    json: () => parseJsonObject(body),
  };
}

export function parseJsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`not JSON: ${text.slice(0, 500)}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`not a JSON object: ${text.slice(0, 500)}`);
  }
  return value as JsonObject;
}
