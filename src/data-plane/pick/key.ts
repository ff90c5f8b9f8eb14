/**
 * Key: what a request goes by to a backend, as a hash of 31 bits. Pure; reads it where it stands in the head and
 * copies nothing.
 *
 * A request without the header or the cookie, or with an empty one, goes by its client's address: all of them by one
 * key would be one backend's.
 */
import type { BalanceKey } from "../../config/pool-config.ts";
import type { Fields } from "../../wire/fields.ts";
import { isBlank } from "../../wire/lists.ts";
import { EQUALS, SEMICOLON } from "../../wire/octets.ts";
import { hashOf } from "./hash.ts";

/** @param target path and query, or `*`. @param clientAddress who the client is, behind trusted proxies. */
export type KeyHash = (fields: Fields, target: string, clientAddress: string) => number;

/** What reads the hash of each request for a version. */
export function keyHash(key: BalanceKey): KeyHash {
  switch (key.from) {
    case "client-address":
      return (_, __, clientAddress) => hashOf(clientAddress) >>> 1;
    case "path":
      return (_, target) => hashOf(target, 0, pathEnd(target)) >>> 1;
    case "header":
      return (fields, _, clientAddress) => headerHash(fields, key.name, clientAddress);
    case "cookie":
      return (fields, _, clientAddress) => cookieHash(fields, key.name, clientAddress);
  }
}

function pathEnd(target: string): number {
  const query = target.indexOf("?");
  return query === -1 ? target.length : query;
}

/** The first of several fields counts. */
function headerHash(fields: Fields, name: string, clientAddress: string): number {
  for (let i = 0; i < fields.count; i++) {
    if (!fields.isNamed(i, name)) continue;
    const start = fields.valueStart(i);
    const end = fields.valueEnd(i);
    return (start < end ? hashOf(fields.text, start, end) : hashOf(clientAddress)) >>> 1;
  }
  return hashOf(clientAddress) >>> 1;
}

/** The first cookie of that name counts (RFC 6265 §5.4: it has the longest path). */
function cookieHash(fields: Fields, name: string, clientAddress: string): number {
  for (let i = 0; i < fields.count; i++) {
    if (!fields.isNamed(i, "cookie")) continue;
    const end = fields.valueEnd(i);
    for (let at = fields.valueStart(i); at < end; at = nextPair(fields.text, at, end)) {
      if (!fields.text.startsWith(name, at) || fields.text.charCodeAt(at + name.length) !== EQUALS) continue;
      const start = at + name.length + 1;
      const valueEnd = pairEnd(fields.text, start, end);
      return (start < valueEnd ? hashOf(fields.text, start, valueEnd) : hashOf(clientAddress)) >>> 1;
    }
  }
  return hashOf(clientAddress) >>> 1;
}

/** Where the next `name=value` begins. */
function nextPair(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && text.charCodeAt(at) !== SEMICOLON) at++;
  at++;
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** Where a value ends, without white space behind it. */
function pairEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && text.charCodeAt(at) !== SEMICOLON) at++;
  while (at > start && isBlank(text.charCodeAt(at - 1))) at--;
  return at;
}
