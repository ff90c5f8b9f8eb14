/**
 * Admin exchange: an incoming HTTP request to an AdminCall, and an AdminAnswer back to the client.
 *
 * Runs in the primary (admin listener) and in the workers (relay of the traffic port). Bounds what a
 * stranger can make us hold; decides nothing about who may do what.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  ADMIN_BODY_LIMIT_BYTES,
  ADMIN_BODY_TIMEOUT_MS,
  ADMIN_HEADERS,
  type AdminAnswer,
  type AdminCall,
  type AdminHeader,
} from "../core/admin-call.ts";
import { ProxyError } from "../core/errors.ts";
import { withoutMapping } from "../core/mapped-address.ts";

/** How long an unread body is thrown away before the connection closes: a reset would take the answer with it. */
const LINGER_MS = 1_000;

/**
 * Reads the whole call.
 *
 * @throws ProxyError MALFORMED_CALL (a field twice, a body that is not UTF-8), CALL_TOO_LARGE, CALL_TIMEOUT,
 *   CLIENT_ABORTED. Answer it with `writeAdminAnswer`, which then closes the connection.
 */
export async function readAdminCall(
  req: IncomingMessage,
  listener: AdminCall["listener"],
  limits: { readonly bodyTimeoutMs: number } = { bodyTimeoutMs: ADMIN_BODY_TIMEOUT_MS },
): Promise<AdminCall> {
  const remoteAddress = withoutMapping(req.socket.remoteAddress ?? ""); // gone once the client has left
  const headers = pickHeaders(req.rawHeaders);
  const body = bodyText(await readBody(req, limits.bodyTimeoutMs));
  return { method: req.method ?? "", target: req.url ?? "", headers, body, remoteAddress, listener };
}

/** Sends the answer. Never throws; a client that has left is no failure. */
export function writeAdminAnswer(req: IncomingMessage, res: ServerResponse, answer: AdminAnswer): void {
  if (res.destroyed || res.headersSent) return;
  const isWhole = req.complete || !hasBody(req);
  res.writeHead(answer.status, {
    ...answerFields(answer),
    "Content-Length": Buffer.byteLength(answer.body),
    ...(isWhole ? {} : { Connection: "close" }),
  });
  if (req.method === "HEAD") res.flushHeaders();
  else res.write(answer.body);
  if (isWhole) res.end();
  else endAfterUnreadBody(req, res);
}

/** The fields of every answer, without its length. */
export function answerFields(answer: AdminAnswer): Readonly<Record<string, string>> {
  return { ...answer.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
}

/** The answer is on its way and complete by its Content-Length; the end only closes the connection. */
function endAfterUnreadBody(req: IncomingMessage, res: ServerResponse): void {
  const end = () => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.once("end", end);
  req.once("close", end);
  req.resume();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * The fields that the admin API reads.
 *
 * @param rawHeaders name, value, name, value, …
 * @throws ProxyError MALFORMED_CALL for a field that came twice: two readers could each believe another one.
 */
export function pickHeaders(rawHeaders: readonly string[]): AdminCall["headers"] {
  const picked: Partial<Record<AdminHeader, string>> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase();
    const known = ADMIN_HEADERS.find((each) => each === name);
    if (known === undefined) continue;
    if (picked[known] === undefined) picked[known] = rawHeaders[i + 1];
    else if (known !== "accept") {
      throw new ProxyError("MALFORMED_CALL", `the field ${rawHeaders[i]} came more than once`);
    }
  }
  return picked;
}

function readBody(req: IncomingMessage, timeoutMs: number): Promise<Buffer> {
  // The stream of a request without a body may have ended before we look (optimizeEmptyRequests).
  if (!hasBody(req)) return Promise.resolve(Buffer.alloc(0));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (error?: ProxyError) => {
      clearTimeout(timer);
      req.off("data", onData).off("end", onEnd).off("close", onLeft).off("error", onLeft);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > ADMIN_BODY_LIMIT_BYTES) settle(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = () => settle();
    const onLeft = () =>
      settle(new ProxyError("CLIENT_ABORTED", "the client left before its call was complete"));
    const timer = setTimeout(() => settle(tooSlow(timeoutMs)), timeoutMs);
    if (req.destroyed) onLeft();
    else if (Number(req.headers["content-length"] ?? 0) > ADMIN_BODY_LIMIT_BYTES) settle(tooLarge());
    else req.on("data", onData).once("end", onEnd).once("close", onLeft).once("error", onLeft);
  });
}

export function tooLarge(): ProxyError {
  return new ProxyError("CALL_TOO_LARGE", `the body is larger than ${ADMIN_BODY_LIMIT_BYTES / 1_024} KiB`);
}

export function tooSlow(timeoutMs: number): ProxyError {
  return new ProxyError("CALL_TIMEOUT", `the body did not arrive within ${timeoutMs / 1_000} s`);
}

/** @throws ProxyError MALFORMED_CALL for a body that is not UTF-8. */
export function bodyText(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw new ProxyError("MALFORMED_CALL", "the body is not UTF-8", { cause });
  }
}
