/**
 * Values: the kinds of value that config keys take, each with what it accepts in words.
 *
 * Pure. A reader gets a value as YAML gave it, or as an environment variable or flag did after
 * `overrides.ts` made numbers of numbers. Which key takes which kind and limits, `schema.ts` says.
 */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { RETRY_CONDITIONS, type RetryCondition } from "../core/retry-conditions.ts";

/** The value, or why not: a hint beyond "expected …, found …"; empty when there is none. */
type Reading<T> = { readonly value: T } | { readonly hint: string };

const NO_HINT = { hint: "" } as const;

/** A schema that takes what `read` takes and says `expected` of everything else. */
export function setting<T>(expected: string, read: (input: unknown) => Reading<T>) {
  return z.unknown().transform((input, context): T => {
    const reading = read(input);
    if ("value" in reading) return reading.value;
    context.issues.push({ code: "custom", message: expected, input, params: { hint: reading.hint } });
    return z.NEVER;
  });
}

export function text(expected: string, isValid: (input: string) => boolean) {
  return setting(expected, (input) => readText(input, isValid));
}

/** Like `text`, and null, which stands for "not set". */
export function optionalText(expected: string, isValid: (input: string) => boolean) {
  return setting<string | null>(expected, (input) =>
    input === null ? { value: null } : readText(input, isValid),
  );
}

function readText(input: unknown, isValid: (input: string) => boolean): Reading<string> {
  if (typeof input === "string") return isValid(input) ? { value: input } : NO_HINT;
  return typeof input === "number" || typeof input === "boolean" ? { hint: "write it in quotes" } : NO_HINT;
}

export const flag = () =>
  setting<boolean>("true or false", (input) => (typeof input === "boolean" ? { value: input } : NO_HINT));

export function oneOf<const T extends string>(names: readonly T[]) {
  return setting<T>(`one of ${names.join(", ")}`, (input) => {
    const name = names.find((candidate) => candidate === input);
    return name === undefined ? NO_HINT : { value: name };
  });
}

export function wholeNumber(min: number, max: number) {
  return setting<number>(`a whole number from ${min} to ${max}`, (input) => readWholeNumber(input, min, max));
}

export const port = () => wholeNumber(0, 65_535); // 0 lets the system choose

/** A whole number, or `unlimited`, which is Infinity. */
export function wholeNumberOrUnlimited(min: number, max: number) {
  return setting<number>(`unlimited or a whole number from ${min} to ${max}`, (input) =>
    input === "unlimited" ? { value: Number.POSITIVE_INFINITY } : readWholeNumber(input, min, max),
  );
}

/** A whole number, or null, which stands for "not set". */
export function wholeNumberOrNull(min: number, max: number) {
  return setting<number | null>(`null or a whole number from ${min} to ${max}`, (input) =>
    input === null ? { value: null } : readWholeNumber(input, min, max),
  );
}

/** A share of something: 0.2 is 20 %. */
export const ratio = () => ratioThat("a number from 0 to 1", (share) => share >= 0);

export const ratioAboveZero = () => ratioThat("a number above 0, up to 1", (share) => share > 0);

function ratioThat(expected: string, isEnough: (share: number) => boolean) {
  return setting<number>(expected, (input) => {
    if (typeof input === "number") return isEnough(input) && input <= 1 ? { value: input } : NO_HINT;
    return typeof input === "string" && /^[\d.]+ ?%?$/.test(input)
      ? { hint: "write a number without quotes or %, such as 0.2" }
      : NO_HINT;
  });
}

/** What a request is sent once more for: a name, or a status that is an error of the server. */
export function retryCondition() {
  const expected = `one of ${RETRY_CONDITIONS.join(", ")}, or a status from 500 to 599`;
  return setting<RetryCondition>(expected, (input) => {
    const name = RETRY_CONDITIONS.find((candidate) => candidate === input);
    if (name !== undefined) return { value: name };
    if (typeof input === "number") {
      return Number.isInteger(input) && input >= 500 && input <= 599 ? { value: input } : NO_HINT;
    }
    const isQuotedStatus = typeof input === "string" && /^\d{3}$/.test(input);
    return isQuotedStatus ? { hint: "write the status without quotes" } : NO_HINT;
  });
}

/** @param resolveAuto what `auto` stands for on this machine. */
export function countOrAuto(max: number, resolveAuto: () => number) {
  return setting<number>(`auto or a whole number from 1 to ${max}`, (input) =>
    input === "auto" ? { value: resolveAuto() } : readWholeNumber(input, 1, max),
  );
}

/** `auto` stays `auto`: what it stands for shows only later. */
export function autoOrCount(min: number, max: number) {
  return setting<number | "auto">(`auto or a whole number from ${min} to ${max}`, (input) =>
    input === "auto" ? { value: input } : readWholeNumber(input, min, max),
  );
}

function readWholeNumber(input: unknown, min: number, max: number): Reading<number> {
  if (typeof input === "number" && Number.isInteger(input) && input >= min && input <= max) {
    return { value: input };
  }
  const isQuotedNumber = typeof input === "string" && /^-?\d+$/.test(input);
  return isQuotedNumber ? { hint: "write the number without quotes" } : NO_HINT;
}

const MS_OF = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const BYTES_OF = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** @returns a schema whose value is in ms. Limits are written as the operator would write them. */
export function duration(min: string, max: string) {
  return quantity(`a duration from ${min} to ${max}`, MS_OF, min, max, "30s, 250ms, 10m or 1h");
}

/** Like `duration`, and null, which stands for "not set". */
export function durationOrNull(min: string, max: string) {
  return setting<number | null>(`null or a duration from ${min} to ${max}`, (input) => {
    if (input === null) return { value: null };
    const parsed = duration(min, max).safeParse(input);
    return parsed.success ? { value: parsed.data } : { hint: unitHint(input, "500ms or 2s") };
  });
}

/** @returns a schema whose value is in bytes. */
export function size(min: string, max: string) {
  return quantity(`a size from ${min} to ${max}`, BYTES_OF, min, max, "16KiB, 8MiB, 1GiB or 512B");
}

/** A size, or `unlimited`, which is Infinity. */
export function sizeOrUnlimited(min: string, max: string) {
  return setting<number>(`unlimited or a size from ${min} to ${max}`, (input) => {
    if (input === "unlimited") return { value: Number.POSITIVE_INFINITY };
    const parsed = size(min, max).safeParse(input);
    return parsed.success ? { value: parsed.data } : { hint: unitHint(input, "8MiB or 1GiB") };
  });
}

function quantity(
  expected: string,
  units: Readonly<Record<string, number>>,
  min: string,
  max: string,
  examples: string,
) {
  const least = toBaseUnit(min, units) ?? 0;
  const most = toBaseUnit(max, units) ?? 0;
  return setting<number>(expected, (input) => {
    const value = typeof input === "string" ? toBaseUnit(input, units) : undefined;
    if (value !== undefined && value >= least && value <= most) return { value };
    return value === undefined ? { hint: unitHint(input, examples) } : NO_HINT;
  });
}

function toBaseUnit(input: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits = "", unit = ""] = /^(\d{1,12})([A-Za-z]+)$/.exec(input) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : Number(digits) * factor;
}

function unitHint(input: unknown, examples: string): string {
  const isBare = typeof input === "number" || (typeof input === "string" && /^\d+$/.test(input));
  return isBare ? `give a unit: ${examples}` : `write it like ${examples}`;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** `200-399`, `200`, `200,204,300-399`. */
export function statusRanges() {
  return setting<StatusRange[]>("status codes such as 200-399 or 200,204", (input) => {
    const parts = typeof input === "string" || typeof input === "number" ? String(input).split(",") : [];
    const ranges = parts.map((part) => {
      const [, from = "", to = from] = /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(part) ?? [];
      return { from: Number(from), to: Number(to) };
    });
    const isValid = ranges.every(({ from, to }) => from >= 100 && from <= to);
    return isValid && ranges.length > 0 && ranges.length <= 50 ? { value: ranges } : NO_HINT;
  });
}

/** An address to listen on, or a name that resolves to one. */
export function host() {
  return text("an IP address or a host name", (input) => {
    if (isIP(input) !== 0) return true;
    const isName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(input);
    return isName && !/^[\d.]+$/.test(input); // 10.0.0.256 is a mistake, not a name
  });
}

/** `10.0.0.0/8`, `::1`. */
export function addressOrCidr() {
  return text("an IP address or a CIDR such as 10.0.0.0/8", (input) => {
    const [address = "", bits = "0", ...rest] = input.split("/");
    const family = address.includes("%") ? 0 : isIP(address); // a zone means nothing to a list of addresses
    return (
      family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
    );
  });
}

/** A DNS server: `10.0.0.53`, `10.0.0.53:5353`, `::1`, `[::1]:5353`. */
export function addressOrAddressAndPort() {
  return text("an IP address such as 10.0.0.53, or one with a port such as 10.0.0.53:5353", (input) => {
    if (input.includes("%")) return false; // a zone is a matter of one machine's interfaces
    if (isIP(input) !== 0) return true;
    const [, inBrackets, plain = "", port = ""] =
      /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(input) ?? [];
    return Number(port) <= 65_535 && (inBrackets === undefined ? isIPv4(plain) : isIPv6(inBrackets));
  });
}

/** `text/event-stream`, `video/*`. */
export function mediaType() {
  return setting<string>("a media type such as text/event-stream or text/*", (input) => {
    if (typeof input !== "string") return NO_HINT;
    if (/^[a-z0-9!#$&^_.+-]{1,64}\/([a-z0-9!#$&^_.+-]{1,64}|\*)$/.test(input)) return { value: input };
    if (input.includes(";")) return { hint: "leave out the parameters" };
    return /[A-Z]/.test(input) ? { hint: "write it in lower case" } : NO_HINT;
  });
}

/**
 * What stands for us in `Via`: a name, or a host and port; `auto` and `off` are left as they are.
 *
 * @see RFC 9110 §7.6.3
 */
export function viaName() {
  const expected = "auto, off, or a name of 1 to 64 letters, digits, . _ and -, with or without :port";
  return setting<string>(expected, (input) => {
    if (typeof input === "boolean") return { hint: `write ${input ? "auto" : "off"}` };
    if (typeof input === "string" && /^(auto|off)$/i.test(input) && input !== input.toLowerCase()) {
      return { hint: "write it in lower case" };
    }
    if (input === "on") return { hint: "write auto" }; // text in YAML 1.2, and hardly meant as a name
    return readText(input, (name) => name.length <= 64 && /^[A-Za-z0-9._-]+(:\d{1,5})?$/.test(name));
  });
}

/** A backend's URL. @returns a schema whose value is the origin, as `new URL(...).origin` writes it. */
export function backendUrl() {
  return setting<string>('a URL such as "http://10.0.0.1:9000"', (input) => {
    if (typeof input !== "string") return NO_HINT;
    const hint = backendUrlHint(input);
    return hint === undefined ? { value: new URL(input).origin } : { hint };
  });
}

/** Of a name in DNS, with a full stop at its end. */
const MAX_HOST_LENGTH = 254;

/** @returns why `input` cannot be a backend; undefined when it can. */
function backendUrlHint(input: string): string | undefined {
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(input) ?? [];
  if (scheme === undefined) return "start with http:// or https://";
  if (!/^https?$/i.test(scheme)) return "only http:// and https:// can be forwarded to";
  const [authority = ""] = rest.split(/[/?#]/, 1);
  if (authority.includes("@")) return "leave out the user and password";
  if (rest.includes("?")) return "leave out the query";
  if (rest.includes("#")) return "leave out the fragment";
  if (rest !== authority && rest !== `${authority}/`) return "leave out the path; it comes from the request";
  if (/[\s\\]/.test(rest)) return "it holds a space or a backslash";
  const url = URL.parse(input);
  if (url === null || url.port === "0") return "the host or the port is not valid";
  if (url.hostname.length > MAX_HOST_LENGTH) return `its host is longer than ${MAX_HOST_LENGTH} characters`;
  // `http://9001` reads as the address 0.0.35.41, which nobody means.
  if (isIPv4(url.hostname) && !authority.startsWith(url.hostname)) return `its host reads as ${url.hostname}`;
  return undefined;
}
