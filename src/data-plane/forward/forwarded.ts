/**
 * Who the client is, and what is said of him to the next hop: `X-Forwarded-For`, `Forwarded`, `Via`. Pure.
 *
 * Lists are read from the right: each proxy appends, so all left of what the last trusted one wrote may be forged.
 * What cannot be read ends the reading there; it never makes somebody else the client.
 */
import { isIP } from "node:net";
import { withoutMapping } from "../../core/mapped-address.ts";
import { trimBlanks } from "../../wire/lists.ts";

/** More proxies in a row do not exist; without it a client could have us check thousands of addresses. */
const MAX_HOPS = 32;

const TOKEN = "[-!#$%&'*+.^_`|~0-9A-Za-z]+";
const IS_TOKEN = new RegExp(`^${TOKEN}$`);
/** What a quoted string can hold, escaped or not (RFC 9110 §5.6.4). */
const IS_QUOTABLE = /^[\t -~\x80-\xff]+$/;
/** One parameter of a `Forwarded` element up to its `;`, and an empty one: the grammar allows both. */
const PARAMETER = new RegExp(
  `[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*)?(;|$)`,
  "y",
);
/** node-port of RFC 7239 §6: a number or an obfuscated name. */
const PORT_PART = /^(?::(?:[0-9]{1,5}|_[-.\w]+))?$/;

/**
 * The client behind trusted proxies: from the peer on and then from right to left, the first address not trusted.
 *
 * An entry that is no address ends the walk at the one before, an empty entry too: a trusted proxy that does not
 * know its client must not make us believe what stands left of it. Ends as well after 32 entries.
 *
 * @param peer address of the socket's peer; it is the client when it is not trusted.
 * @param forwardedFor all `X-Forwarded-For` fields joined by commas, or what `parseForwardedFor` gives; may be empty.
 * @returns an address without port, brackets and `::ffff:`; the leftmost when all are trusted.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string,
  isTrusted: (address: string) => boolean,
): string {
  let client = peer;
  let end = forwardedFor.length;
  for (let hop = 0; hop < MAX_HOPS && end > 0 && isTrusted(client); hop++) {
    const comma = forwardedFor.lastIndexOf(",", end - 1);
    const address = addressOf(forwardedFor.slice(comma + 1, end));
    if (address === null) break;
    client = address;
    end = comma;
  }
  return client;
}

/**
 * The `for` of each element of `Forwarded`, as the list that `clientAddress` reads.
 *
 * Read from the right, so that an open quote on the left cannot swallow what trusted proxies wrote. The first
 * malformed element ends it. An element without an address in `for` becomes `unknown`, and nothing left of it
 * counts.
 *
 * @param value all `Forwarded` fields joined by commas.
 * @returns "192.0.2.1, 2001:db8::1"; empty when there is nothing to be read.
 * @see RFC 7239 §4, §6
 */
export function parseForwardedFor(value: string): string {
  let list = "";
  let end = value.length;
  for (let hop = 0; hop < MAX_HOPS && end > 0; hop++) {
    const comma = commaBefore(value, end);
    const node = forOf(value.slice(comma + 1, end));
    if (node === null) break;
    const address = addressOf(node) ?? "unknown";
    list = list === "" ? address : `${address}, ${list}`;
    if (address === "unknown") break;
    end = comma;
  }
  return list;
}

/**
 * Our own element of `Forwarded`: `for=192.0.2.1;host="example.test:81";proto=http;by=_proxy-1`.
 *
 * @param client.address without a port; a zone is left out, and what is no address becomes `unknown` (§6.2).
 * @param client.by our name, of letters, digits, `.`, `_` and `-`: an obfuscated identifier (§6.3).
 * @param client.host as the client sent it; left out when there is none, or one that cannot be quoted.
 * @see RFC 7239 §4, §5, §6
 */
export function forwardedElement(client: {
  readonly address: string;
  readonly host: string | null;
  readonly protocol: string;
  readonly by: string;
}): string {
  const { host, protocol, by } = client;
  const hostPart = host !== null && IS_QUOTABLE.test(host) ? `;host=${quoted(host)}` : "";
  return `for=${nodeOf(client.address)}${hostPart};proto=${protocol};by=_${by}`;
}

/**
 * Our own entry of `Via`.
 *
 * @param versionMinor of the message as it came to us: HTTP/1.0 or 1.1.
 * @see RFC 9110 §7.6.3
 */
export function viaEntry(versionMinor: 0 | 1, name: string): string {
  return versionMinor === 1 ? `1.1 ${name}` : `1.0 ${name}`;
}

/**
 * Whether a message has been here before.
 *
 * @param value all `Via` fields joined by commas.
 * @param name compared with the whole received-by, port included, whatever the case.
 * @see RFC 9110 §7.6.3
 */
export function viaNames(value: string, name: string): boolean {
  const lower = value.toLowerCase();
  const wanted = name.toLowerCase();
  if (!lower.includes(wanted)) return false;
  // A client's comment that never ends would hide all that proxies appended: then parentheses mean nothing.
  return namesWanted(lower, wanted, true) ?? namesWanted(lower, wanted, false) ?? false;
}

/** @returns null when a comment does not end. */
function namesWanted(value: string, wanted: string, hasComments: boolean): boolean | null {
  let isNamed = false;
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= value.length; i++) {
    const character = value[i];
    if (depth > 0 && character === "\\") i++;
    else if (hasComments && character === "(") depth++;
    else if (depth > 0 && character === ")") depth--;
    else if (i >= value.length || (depth === 0 && character === ",")) {
      isNamed ||= receivedBy(value.slice(start, i)) === wanted;
      start = i + 1;
    }
  }
  return depth > 0 ? null : isNamed;
}

/** `[protocol "/"] version SP received-by [SP comment]`; undefined when there is no second word. */
function receivedBy(entry: string): string | undefined {
  const comment = entry.indexOf("(");
  const words = comment === -1 ? entry : entry.slice(0, comment);
  return trimBlanks(words).split(/[ \t]+/)[1];
}

/** The comma in front of the element that ends at `end`; -1: none. Knows quoted strings, read backwards. */
function commaBefore(value: string, end: number): number {
  let isQuoted = false;
  for (let i = end - 1; i >= 0; i--) {
    const character = value[i];
    if (character === "," && !isQuoted) return i;
    if (character !== '"') continue;
    let escapes = 0;
    while (value[i - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) isQuoted = !isQuoted;
  }
  return -1;
}

/** @returns the value of `for`, empty when there is none; null when the element is malformed. */
function forOf(element: string): string | null {
  const text = trimBlanks(element);
  let node: string | null = null;
  PARAMETER.lastIndex = 0;
  for (;;) {
    const match = PARAMETER.exec(text);
    if (match === null) return null;
    const [, name = "", token, inQuotes = "", separator] = match;
    if (name.toLowerCase() === "for") {
      if (node !== null) return null; // §4: each parameter once
      node = token ?? inQuotes.replace(/\\(.)/g, "$1");
    }
    if (separator === "") return node ?? "";
  }
}

/**
 * @param entry `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, quoted or not.
 * @returns the address alone; null when it is none.
 */
function addressOf(entry: string): string | null {
  let node = trimBlanks(entry);
  if (node.length > 1 && node.startsWith('"') && node.endsWith('"')) node = node.slice(1, -1);
  if (node.includes("%")) return null; // a zone means nothing on another host
  if (node.startsWith("[")) {
    const bracket = node.indexOf("]");
    const address = node.slice(1, bracket);
    return isIP(address) === 6 && isPortPart(node.slice(bracket + 1)) ? withoutMapping(address) : null;
  }
  if (isIP(node) !== 0) return withoutMapping(node);
  const colon = node.indexOf(":");
  if (colon === -1) return null;
  const address = node.slice(0, colon);
  return isIP(address) === 4 && isPortPart(node.slice(colon)) ? address : null;
}

function isPortPart(text: string): boolean {
  return PORT_PART.test(text) && !(Number(text.slice(1)) > 65_535);
}

function nodeOf(address: string): string {
  const zone = address.indexOf("%");
  const bare = zone === -1 ? address : address.slice(0, zone);
  const family = isIP(bare);
  if (family === 0) return "unknown";
  return family === 4 ? bare : `"[${bare}]"`;
}

function quoted(value: string): string {
  return IS_TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
