/**
 * Raw refusal: the answer to what is no call, so that Node.js has no ServerResponse for it. The connection ends with it.
 */
import type { Duplex } from "node:stream";
import { ERROR_CODES, type ErrorCode } from "../../core/errors.ts";
import { STATUS_PHRASES } from "../../core/status-phrases.ts";
import { PROBLEM_TYPE, problemBody } from "../../http/problem.ts";

/** What the admin API has a call for. */
const ALLOW = "GET, HEAD, POST";

/** What Node's parser refuses, or what came too slowly. */
export function refuseRaw(
  error: Error & { code?: string },
  connection: Duplex & { bytesWritten?: number },
): void {
  // Something was sent on this connection before: a second head in the middle of it would be a lie.
  if (!connection.writable || (connection.bytesWritten ?? 0) > 0) {
    connection.destroy();
    return;
  }
  const code = refusalOf(error);
  end(connection, code, ERROR_CODES[code].about);
}

/** CONNECT, behind no call that is not answered yet. */
export function refuseConnect(connection: Duplex): void {
  end(connection, "METHOD_NOT_ALLOWED", `no tunnels here; the calls take ${ALLOW}`, `Allow: ${ALLOW}\r\n`);
}

function refusalOf({ code }: { code?: string }): ErrorCode {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "CALL_TIMEOUT";
  return code === "HPE_HEADER_OVERFLOW" ? "HEADERS_TOO_LARGE" : "MALFORMED_REQUEST";
}

/** @param lines further fields, each with its CRLF. */
function end(connection: Duplex, code: ErrorCode, message: string, lines = ""): void {
  const body = problemBody(code, message);
  const { status } = ERROR_CODES[code];
  connection.end(
    `HTTP/1.1 ${status} ${STATUS_PHRASES[status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\n${lines}` +
      `X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
    () => connection.destroy(),
  );
}
