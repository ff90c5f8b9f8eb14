/**
 * Access: who may call the admin API. Pure; the rules are those of README, "Who may call".
 *
 * Trust comes from the socket (its own address, its file's permissions, its client certificate) or from a token,
 * never from a header that a stranger can write. What headers can do is take trust away: a Host or an Origin that
 * a browser sends for a foreign page.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import type { Config } from "../../config/schema.ts";
import type { AdminCall } from "../../core/admin-call.ts";
import { ProxyError, StartError } from "../../core/errors.ts";
import type { Role } from "../../core/role.ts";
import { BearerTokens } from "./bearer-tokens.ts";
import { type Caller, needRole } from "./caller.ts";

/** `open`: anybody. `read`: says something of the proxy. `change`: does something to it. */
export type Need = "open" | "read" | "change";

/** The admin config as checkAccess needs it; built once. */
export interface AccessRules {
  readonly tokens: BearerTokens;
  readonly readAllow: BlockList;
  /** Of callers with a client certificate; null when the admin listener asks for none. */
  readonly certificateRole: Role | null;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
const HOST_AND_PORT = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/;
const SET_A_TOKEN = "set a token (admin.token, ADMIN_TOKEN or admin.tokens)";

/** @throws StartError for an entry of `admin.read_allow` that is no address and no CIDR. */
export function accessRules(
  admin: Pick<Config["admin"], "token" | "tokens" | "readAllow" | "tls">,
): AccessRules {
  const readAllow = new BlockList();
  for (const entry of admin.readAllow) addEntry(readAllow, entry);
  return {
    tokens: new BearerTokens(admin),
    readAllow,
    certificateRole: admin.tls?.clientCa ? admin.tls.clientRole : null,
  };
}

/** @throws ProxyError FORBIDDEN, UNAUTHORIZED, UNSUPPORTED_MEDIA_TYPE */
export function checkAccess(call: AdminCall, need: Need, rules: AccessRules): Caller {
  if (need === "open") return { actor: "anyone", role: "read" };
  const certified = certifiedCaller(call, rules);
  if (need === "read") return certified ?? reader(call, rules);
  const caller = certified ?? changer(call, rules);
  needRole(caller, "switch", "this call");
  refuseForeignPage(call);
  if (!JSON_TYPE.test(call.headers["content-type"] ?? "")) {
    throw new ProxyError("UNSUPPORTED_MEDIA_TYPE", "send the call with Content-Type: application/json");
  }
  return caller;
}

/** The handshake has proved it, so neither Host nor a token is asked for. Null where none is needed. */
function certifiedCaller({ listener, clientName }: AdminCall, rules: AccessRules): Caller | null {
  if (rules.certificateRole === null || listener !== "admin") return null;
  if (clientName === undefined) throw new ProxyError("FORBIDDEN", "a client certificate is needed");
  return { actor: `cert:${clientName}`, role: rules.certificateRole };
}

/** Behind a TLS proxy on the same machine everybody is loopback: with a token set, loopback alone is not enough. */
function changer(call: AdminCall, { tokens }: AccessRules): Caller {
  if (!tokens.isEmpty) return tokenCaller(call, tokens);
  const near = nearCaller(call, "admin");
  if (near === null) {
    throw new ProxyError(
      "FORBIDDEN",
      `without a token in the config only this machine itself (loopback) may do this; ${SET_A_TOKEN} and send it as Authorization: Bearer`,
    );
  }
  if (!hasSafeHost(call)) throw unsafeHost();
  return near;
}

function reader(call: AdminCall, { tokens, readAllow }: AccessRules): Caller {
  const near = nearCaller(call, tokens.isEmpty ? "admin" : "read");
  if (near !== null && hasSafeHost(call)) return near;
  if (isIn(readAllow, call.remoteAddress)) return { actor: "allow-list", role: "read" };
  if (!tokens.isEmpty) return tokenCaller(call, tokens);
  if (near !== null) throw unsafeHost();
  throw new ProxyError(
    "FORBIDDEN",
    `only this machine itself (loopback) may read; add the caller's address to admin.read_allow, or ${SET_A_TOKEN} and send it as Authorization: Bearer`,
  );
}

function tokenCaller({ headers }: AdminCall, tokens: BearerTokens): Caller {
  const found = tokens.find(headers.authorization);
  if (found !== null) return found;
  throw new ProxyError(
    "UNAUTHORIZED",
    "send a token of the config (admin.token or admin.tokens) as Authorization: Bearer",
  );
}

/** Whoever can reach us from this machine alone; null for anybody else. */
function nearCaller({ listener, remoteAddress }: AdminCall, role: Role): Caller | null {
  if (listener === "socket") return { actor: "socket", role };
  return isIn(LOOPBACK, remoteAddress) ? { actor: "loopback", role } : null;
}

/**
 * Whether the Host is an IP address or `localhost`. A page whose name was pointed at 127.0.0.1 (DNS
 * rebinding) is same-origin to the browser, but its Host still is that name. No browser opens a Unix socket.
 */
function hasSafeHost({ headers, listener }: AdminCall): boolean {
  if (listener === "socket") return true;
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

function unsafeHost(): ProxyError {
  return new ProxyError(
    "FORBIDDEN",
    `the Host of a call without a token must be an IP address or localhost, such as 127.0.0.1; or ${SET_A_TOKEN}`,
  );
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
