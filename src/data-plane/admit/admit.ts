/**
 * Admit: whether a request is let in, before anything is spent on it. Pure.
 *
 * What node:http has parsed is valid HTTP; here it is held against our limits, and its target is brought
 * to the form that a backend takes (RFC 9112 §3.2).
 */
import type { ForwardErrorCode } from "../../core/errors.ts";

export interface AdmitLimits {
  readonly maxHeaderCount: number;
  readonly maxTargetBytes: number;
}

export interface Admitted {
  readonly code: null;
  /** Path and query as the client sent them, or `*`. */
  readonly target: string;
  /** Of an absolute-form target: it replaces `Host`. */
  readonly authority: string | null;
}

export interface Refused {
  readonly code: ForwardErrorCode;
  readonly message: string;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/is;

/** @param version of HTTP, as node:http gives it: it takes a line without any for HTTP/0.9. */
export function admit(
  version: string,
  method: string,
  url: string,
  rawHeaders: readonly string[],
  limits: AdmitLimits,
): Admitted | Refused {
  if (version !== "1.1" && version !== "1.0") {
    return { code: "MALFORMED_REQUEST", message: "only HTTP/1.1 and HTTP/1.0 are served" };
  }
  if (url.length > limits.maxTargetBytes) {
    return {
      code: "TARGET_TOO_LONG",
      message: `the request target is longer than ${limits.maxTargetBytes} bytes`,
    };
  }
  if (rawHeaders.length > 2 * limits.maxHeaderCount) {
    return { code: "HEADERS_TOO_LARGE", message: `more than ${limits.maxHeaderCount} header fields` };
  }
  if (url.charCodeAt(0) === SLASH) return { code: null, target: url, authority: null };
  if (url === "*" && method === "OPTIONS") return { code: null, target: url, authority: null };
  return admitAbsoluteForm(method, url);
}

const SLASH = 0x2f;

/** RFC 9112 §3.2.2: the authority goes into Host, the rest is the origin-form; §3.2.4 for OPTIONS without a path. */
function admitAbsoluteForm(method: string, url: string): Admitted | Refused {
  const match = ABSOLUTE_FORM.exec(url);
  const authority = match?.[1] ?? "";
  const rest = match?.[2] ?? "";
  if (authority === "" || authority.includes("@")) {
    return { code: "MALFORMED_REQUEST", message: "the request target is neither a path nor an http URL" };
  }
  if (rest === "" && method === "OPTIONS") return { code: null, target: "*", authority };
  return { code: null, target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}
