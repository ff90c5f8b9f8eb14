/**
 * Admit: whether a request is let in, before anything is spent on it. Pure.
 *
 * Its head was read and is valid HTTP; here its target is brought to the form that a backend takes, and its Host is
 * judged (RFC 9112 §3.2), whoever answers in the end: a backend, the admin API or the proxy itself.
 */
import type { ForwardErrorCode } from "../../core/errors.ts";
import { type Fields, Kind } from "../../wire/fields.ts";
import { isHost } from "../../wire/host.ts";
import type { RequestHead } from "../../wire/request-head.ts";

export interface Admitted {
  readonly code: null;
  /** Path and query as the client sent them, or `*`. */
  readonly target: string;
  /** Of an absolute-form target: it replaces `Host` (RFC 9112 §3.2.2); null otherwise. */
  readonly authority: string | null;
  /** The value of `Host`, may be empty; null: none, which HTTP/1.0 allows. */
  readonly host: string | null;
}

export interface Refused {
  readonly code: ForwardErrorCode;
  readonly message: string;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/is;

/** @param knownHost of an earlier request on the connection, found to be one; null: there is none. */
export function admit(
  { method, target, minorVersion, fields }: RequestHead,
  knownHost: string | null,
): Admitted | Refused {
  if (method === "CONNECT") return refused("CONNECT is not served here");
  // No part of a target, and another reader would cut it off there (RFC 9112 §3.2; CVE-2023-45539).
  if (target.includes("#")) return refused("a fragment in the request target");
  const host = hostOf(fields, minorVersion, knownHost);
  if (host === undefined) return refused("no Host field, more than one, or one that is no host");
  if (target.charCodeAt(0) === SLASH) return { code: null, target, authority: null, host };
  if (target === "*" && method === "OPTIONS") return { code: null, target, authority: null, host };
  return admitAbsoluteForm(method, target, host);
}

const SLASH = 0x2f;

/** RFC 9112 §3.2.2: the authority goes into Host, the rest is the origin-form; §3.2.4 for OPTIONS without a path. */
function admitAbsoluteForm(method: string, target: string, host: string | null): Admitted | Refused {
  const match = ABSOLUTE_FORM.exec(target);
  const authority = match?.[1] ?? "";
  const rest = match?.[2] ?? "";
  if (authority === "" || !isHost(authority)) {
    return refused("the request target is neither a path nor an http URL");
  }
  if (rest === "" && method === "OPTIONS") return { code: null, target: "*", authority, host };
  return { code: null, target: rest.startsWith("/") ? rest : `/${rest}`, authority, host };
}

/** @returns null: none, which HTTP/1.0 allows; undefined: it must be refused. */
function hostOf(fields: Fields, minorVersion: 0 | 1, knownHost: string | null): string | null | undefined {
  if (!fields.has(Kind.HOST)) return minorVersion === 0 ? null : undefined;
  if (fields.isRepeated(Kind.HOST)) return undefined;
  const i = fields.firstOf(Kind.HOST);
  if (knownHost !== null && fields.isExactly(i, knownHost)) return knownHost; // it rarely changes
  const host = fields.value(i);
  return isHost(host) ? host : undefined;
}

function refused(message: string): Refused {
  return { code: "MALFORMED_REQUEST", message };
}
