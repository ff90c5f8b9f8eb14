/**
 * Key: what a request goes by to a backend, as a hash of 31 bits. Pure; reads it where it stands in the head and
 * copies nothing.
 *
 * A request without the header or the cookie, or with an empty one, goes by its client's address: all of them by one
 * key would be one backend's.
 */
import type { BalanceKey } from "../../config/pool-config.ts";
import { cookieEnd, cookieStart } from "../../wire/cookies.ts";
import type { Fields } from "../../wire/fields.ts";
import type { KeyHash } from "../backend/candidates.ts";
import { hashOf } from "./hash.ts";

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

function cookieHash(fields: Fields, name: string, clientAddress: string): number {
  const start = cookieStart(fields, name);
  const end = start === -1 ? start : cookieEnd(fields, start);
  return (start < end ? hashOf(fields.text, start, end) : hashOf(clientAddress)) >>> 1;
}
