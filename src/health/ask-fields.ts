/**
 * Ask fields: the fields of a small request of our own to a backend, which has no body. Pure.
 *
 * The same whichever way it goes: through the pool that carries the traffic, or on a connection of its own.
 */
import type { ProbeField } from "../config/probe-values.ts";
import type { AskRequest } from "./probe.ts";

const NEEDS_LENGTH: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
const OURS: readonly ProbeField[] = [
  { name: "User-Agent", value: "traffic-switching-probe" },
  { name: "Accept", value: "*/*" },
];

/** @param authority of the backend: what `Host` says unless the request has another. */
export function askFields(authority: string, { method, host, headers }: AskRequest): readonly ProbeField[] {
  const given = new Set(headers.map(({ name }) => name.toLowerCase()));
  return [
    { name: "Host", value: host ?? authority },
    ...OURS.filter(({ name }) => !given.has(name.toLowerCase())),
    ...headers,
    ...(NEEDS_LENGTH.has(method) ? [{ name: "Content-Length", value: "0" }] : []), // RFC 9110 §8.6
  ];
}
