/**
 * Admit: whether a request is let in, before anything is spent on it. Pure.
 *
 * Its head was read and is valid HTTP; here its target is brought to the form that a backend takes (RFC 9112 §3.2).
 */
import type { ForwardErrorCode } from "../../core/errors.ts";
import { isHost } from "../../wire/host.ts";

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

const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/is;

/** @param target as it came. */
export function admit(method: string, target: string): Admitted | Refused {
  if (method === "CONNECT") return refused("CONNECT is not served here");
  // No part of a target, and another reader would cut it off there (RFC 9112 §3.2; CVE-2023-45539).
  if (target.includes("#")) return refused("a fragment in the request target");
  if (target.charCodeAt(0) === SLASH) return { code: null, target, authority: null };
  if (target === "*" && method === "OPTIONS") return { code: null, target, authority: null };
  return admitAbsoluteForm(method, target);
}

const SLASH = 0x2f;

/** RFC 9112 §3.2.2: the authority goes into Host, the rest is the origin-form; §3.2.4 for OPTIONS without a path. */
function admitAbsoluteForm(method: string, target: string): Admitted | Refused {
  const match = ABSOLUTE_FORM.exec(target);
  const authority = match?.[1] ?? "";
  const rest = match?.[2] ?? "";
  if (authority === "" || !isHost(authority)) {
    return refused("the request target is neither a path nor an http URL");
  }
  if (rest === "" && method === "OPTIONS") return { code: null, target: "*", authority };
  return { code: null, target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}

function refused(message: string): Refused {
  return { code: "MALFORMED_REQUEST", message };
}
