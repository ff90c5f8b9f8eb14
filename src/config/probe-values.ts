/**
 * Probe values: the kinds of value that only the keys of a probe take. Pure, like `values.ts`.
 *
 * What a probe sends may be a secret, so a problem with it never quotes it; `issues.ts` sees to the values.
 */
import { isIPv6 } from "node:net";
import { z } from "zod";
import { host, setting } from "./values.ts";

/** A field that a probe sends. */
export interface ProbeField {
  /** As the operator wrote it. */
  readonly name: string;
  readonly value: string;
}

/** A field that an answer must have. */
export interface ExpectedField {
  /** In lower case. */
  readonly name: string;
  /** Without blanks around it; null: any. */
  readonly value: string | null;
}

const MAX_FIELDS = 32;
const MAX_NAME_LENGTH = 64;
const MAX_VALUE_LENGTH = 4096;
const MAX_BODY_TEXT_LENGTH = 1024;
const NAME_RULE = `a field's name is 1 to ${MAX_NAME_LENGTH} letters, digits, - or one of !#$%&'*+.^_\`|~`;
const VALUE_RULE = `text of at most ${MAX_VALUE_LENGTH} visible ASCII characters and blanks`;

/** `app.example.com`, `app.example.com:8443`, `[::1]:80`; null stands for "not set". @param probe the section, for hints. */
export function authorityOrNull(probe: string) {
  return setting<string | null>(
    "a host such as app.example.com or app.example.com:8443, or null",
    (input) => {
      if (input === null) return { value: null };
      if (typeof input !== "string") return { hint: "" };
      const [, name, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(input) ?? [];
      if (name === undefined) return { hint: authorityHint(input, probe) };
      if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
        return { hint: "its port is not from 1 to 65535" };
      }
      const isHost = name.startsWith("[") ? isIPv6(name.slice(1, -1)) : host().safeParse(name).success;
      return isHost && !name.includes("%") ? { value: input } : { hint: authorityHint(input, probe) };
    },
  );
}

function authorityHint(input: string, probe: string): string {
  if (isIPv6(input)) return `an IPv6 address stands in brackets: [${input}]`;
  if (input.includes("/")) return `leave out http:// and the path, which is ${probe}.path`;
  return "";
}

/** Field names, each with its value: what is sent with a probe. @param probe the section, for hints. */
export function sentFields(probe: string) {
  return fieldMap<ProbeField>((name, input) => {
    if (name.toLowerCase() === "host") return { rule: `cannot be set here; use ${probe}.host` };
    const refusal = REFUSED_NAMES.get(name.toLowerCase());
    if (refusal !== undefined) return { rule: refusal };
    if (typeof input === "string" && isFieldValue(input) && input.trim() === input) {
      return { field: { name, value: input } };
    }
    return { expected: `${VALUE_RULE}, none of these at its ends`, hint: quoteHint(input) };
  });
}

const OURS = "cannot be set: it belongs to the connection, which is the proxy's";
const NO_BODY = "cannot be set: a probe has no body";

const REFUSED_NAMES: ReadonlyMap<string, string> = new Map([
  ["content-length", NO_BODY],
  ["transfer-encoding", NO_BODY],
  ["trailer", NO_BODY],
  ["expect", NO_BODY],
  ...["connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings"].map(
    (name) => [name, OURS] as const,
  ),
  ...["proxy-authenticate", "proxy-authorization", "proxy"].map((name) => [name, OURS] as const),
]);

/** Field names, each with the value that an answer must have for it; `*` or null: any. */
export function expectedFields() {
  return fieldMap<ExpectedField>((given, input) => {
    const name = given.toLowerCase();
    if (input === null || input === "*") return { field: { name, value: null } };
    if (typeof input === "string" && isFieldValue(input)) {
      return { field: { name, value: input.trim() } };
    }
    return { expected: `${VALUE_RULE}, or "*" or null for any`, hint: quoteHint(input) };
  });
}

/** Text to look for in a body; null stands for "not set". */
export function bodyTextOrNull() {
  return setting<string | null>(`text of 1 to ${MAX_BODY_TEXT_LENGTH} characters, or null`, (input) => {
    if (input === null) return { value: null };
    if (typeof input !== "string") return { hint: quoteHint(input) };
    const isTaken = input.length >= 1 && input.length <= MAX_BODY_TEXT_LENGTH && input.isWellFormed();
    return isTaken ? { value: input } : { hint: "" };
  });
}

const quoteHint = (input: unknown): string =>
  typeof input === "number" || typeof input === "boolean" ? "write it in quotes" : "";

/** Printable, so that it can be sent, compared and told. */
const isFieldValue = (input: string): boolean =>
  input.length <= MAX_VALUE_LENGTH && /^[\t\x20-\x7e]*$/.test(input);

const isFieldName = (input: string): boolean =>
  input.length <= MAX_NAME_LENGTH && /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/.test(input);

type EntryReading<T> =
  | { readonly field: T }
  | { readonly rule: string }
  | { readonly expected: string; readonly hint: string };

/** A list of fields from a map with free names; nothing at all is an empty one. Every problem has its entry's path. */
function fieldMap<T>(readEntry: (name: string, input: unknown) => EntryReading<T>) {
  return z.unknown().transform((input, context): readonly T[] => {
    const fields: T[] = [];
    const seen = new Set<string>();
    const refuse = (path: string[], message: string, params: object): void => {
      context.issues.push({ code: "custom", message, input, path, params });
    };
    if (input === null) return fields;
    if (typeof input !== "object" || Array.isArray(input)) {
      refuse([], "a map of field names and values", {});
      return z.NEVER;
    }
    const entries = Object.entries(input);
    if (entries.length > MAX_FIELDS) {
      refuse([], `at most ${MAX_FIELDS} fields, found ${entries.length}`, { isRule: true });
    }
    for (const [name, value] of entries.slice(0, MAX_FIELDS)) {
      const isTwice = seen.has(name.toLowerCase());
      seen.add(name.toLowerCase());
      const reading = isFieldName(name) ? readEntry(name, value) : { rule: NAME_RULE };
      if ("expected" in reading) refuse([name], reading.expected, { hint: reading.hint });
      else if ("rule" in reading) refuse([name], reading.rule, { isRule: true });
      else if (isTwice)
        refuse([name], "the same field twice; names are the same in any case", { isRule: true });
      else fields.push(reading.field);
    }
    return fields;
  });
}
