/**
 * Error reply: a code of our table as an HTTP answer: problem+json (RFC 9457) and `Proxy-Status` (RFC 9209).
 */
import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { FORWARD_ERRORS, type ForwardErrorCode } from "../../core/errors.ts";
import { problemBody } from "../../http/problem.ts";

/** How long a client should wait when the proxy itself is full. */
const RETRY_AFTER_SECONDS = "1";

/** Answers with `code`. The head must not have been sent. */
export function replyWithError(
  response: ServerResponse,
  code: ForwardErrorCode,
  message: string,
  mustClose: boolean,
): void {
  const body = problemBody(code, publicMessage(code, message));
  const fields = errorFields(code, body);
  if (mustClose) fields.push("Connection", "close");
  response.writeHead(FORWARD_ERRORS[code].status, fields);
  response.end(body);
}

/** The same as bytes, for a connection that has no ServerResponse: after a parse error, or an upgrade. The connection is then closed. */
export function writeRawError(socket: Duplex, code: ForwardErrorCode, message: string): void {
  const { status } = FORWARD_ERRORS[code];
  const body = problemBody(code, publicMessage(code, message));
  const fields = [...errorFields(code, body), "Date", new Date().toUTCString(), "Connection", "close"];
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`);
}

/** Where a backend is and why it failed is for the log; a client is told what happened, not where. */
function publicMessage(code: ForwardErrorCode, message: string): string {
  const { source, about } = FORWARD_ERRORS[code];
  return source === "backend" ? about : message;
}

function errorFields(code: ForwardErrorCode, body: string): string[] {
  const spec: { readonly status: number; readonly proxyStatus?: string } = FORWARD_ERRORS[code];
  const fields = [
    "Content-Type",
    "application/problem+json",
    "Content-Length",
    String(Buffer.byteLength(body)),
    "Cache-Control",
    "no-store",
  ];
  if (spec.proxyStatus !== undefined)
    fields.push("Proxy-Status", `traffic-switching; error=${spec.proxyStatus}`);
  if (spec.status === 503) fields.push("Retry-After", RETRY_AFTER_SECONDS);
  return fields;
}
