/**
 * Access: who may call the admin API. Pure; the rules are those of README, "Who may call".
 *
 * Trust comes from the socket's own address or from the token, never from a header that a stranger can
 * write. What headers can do is take trust away: a Host or an Origin that a browser sends for a foreign page.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import type { Config } from "../../config/schema.ts";
import type { AdminCall } from "../../core/admin-call.ts";
import { ProxyError, StartError } from "../../core/errors.ts";

/** `open`: anybody. `read`: says something of the proxy. `change`: does something to it. */
export type Need = "open" | "read" | "change";
export type Actor = "anyone" | "loopback" | "allow-list" | "token";

/** The admin config as checkAccess needs it; built once. */
export interface AccessRules {
  readonly tokenDigest: Buffer | null;
  readonly readAllow: BlockList;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
const HOST_AND_PORT = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/;
const BEARER = /^Bearer +(\S.*)$/i;

/** @throws StartError for an entry of `admin.read_allow` that is no address and no CIDR. */
export function accessRules({ token, readAllow }: Pick<Config["admin"], "token" | "readAllow">): AccessRules {
  const list = new BlockList();
  for (const entry of readAllow) addEntry(list, entry);
  return { tokenDigest: token === null ? null : sha256(Buffer.from(token)), readAllow: list };
}

/**
 * @returns who calls, for the history.
 * @throws ProxyError FORBIDDEN, UNAUTHORIZED, UNSUPPORTED_MEDIA_TYPE
 */
export function checkAccess(call: AdminCall, need: Need, rules: AccessRules): { readonly actor: Actor } {
  if (need === "open") return { actor: "anyone" };
  if (need === "read") return { actor: reader(call, rules) };
  const actor = changer(call, rules);
  refuseForeignPage(call);
  if (!JSON_TYPE.test(call.headers["content-type"] ?? "")) {
    throw new ProxyError("UNSUPPORTED_MEDIA_TYPE", "send the call with Content-Type: application/json");
  }
  return { actor };
}

/** Behind a TLS proxy on the same machine everybody is loopback: with a token set, loopback alone is not enough. */
function changer(call: AdminCall, rules: AccessRules): Actor {
  if (rules.tokenDigest !== null) {
    if (hasToken(call, rules.tokenDigest)) return "token";
    throw unauthorized();
  }
  if (!isLoopback(call)) {
    throw new ProxyError(
      "FORBIDDEN",
      "without admin.token only this machine itself (loopback) may do this; set admin.token (ADMIN_TOKEN) and send it as Authorization: Bearer",
    );
  }
  if (!hasSafeHost(call)) throw unsafeHost();
  return "loopback";
}

function reader(call: AdminCall, rules: AccessRules): Actor {
  if (isLoopback(call) && hasSafeHost(call)) return "loopback";
  if (isIn(rules.readAllow, call.remoteAddress)) return "allow-list";
  if (rules.tokenDigest !== null) {
    if (hasToken(call, rules.tokenDigest)) return "token";
    throw unauthorized();
  }
  if (isLoopback(call)) throw unsafeHost();
  throw new ProxyError(
    "FORBIDDEN",
    "only this machine itself (loopback) may read; add the caller's address to admin.read_allow, or set admin.token (ADMIN_TOKEN) and send it as Authorization: Bearer",
  );
}

function isLoopback({ remoteAddress }: AdminCall): boolean {
  return isIn(LOOPBACK, remoteAddress);
}

/**
 * Whether the Host is an IP address or `localhost`. A page whose name was pointed at 127.0.0.1 (DNS
 * rebinding) is same-origin to the browser, but its Host still is that name.
 */
function hasSafeHost({ headers }: AdminCall): boolean {
  const name = HOST_AND_PORT.exec(headers.host ?? "")?.[1]?.toLowerCase() ?? "";
  if (name.startsWith("[")) return isIPv6(name.slice(1, -1));
  return name === "localhost" || isIPv4(name);
}

/** A browser names the page that makes it call. It may only be one of our own; `null` is none. */
function refuseForeignPage({ headers: { origin, host } }: AdminCall): void {
  if (origin === undefined) return;
  const own = host?.toLowerCase();
  const from = origin.toLowerCase();
  if (own !== undefined && (from === `http://${own}` || from === `https://${own}`)) return;
  throw new ProxyError("FORBIDDEN", "a page of another origin may not change anything here");
}

function hasToken({ headers }: AdminCall, tokenDigest: Buffer): boolean {
  const presented = BEARER.exec(headers.authorization ?? "")?.[1];
  // Hashed first: equal lengths for timingSafeEqual, whatever was sent. Node gives fields as Latin-1.
  return presented !== undefined && timingSafeEqual(sha256(Buffer.from(presented, "latin1")), tokenDigest);
}

function unauthorized(): ProxyError {
  return new ProxyError("UNAUTHORIZED", "send the token of admin.token as Authorization: Bearer");
}

function unsafeHost(): ProxyError {
  return new ProxyError(
    "FORBIDDEN",
    "the Host of a call without a token must be an IP address or localhost, such as 127.0.0.1; or set admin.token (ADMIN_TOKEN)",
  );
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address); // 0 also for a socket that is gone
  return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
}

function addEntry(list: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/");
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (
    family === 0 ||
    rest.length > 0 ||
    prefix === "" ||
    !Number.isInteger(length) ||
    length < 0 ||
    length > bits
  ) {
    throw new StartError(`admin.read_allow: "${entry}" is neither an IP address nor a CIDR`, 2);
  }
  list.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6");
}
