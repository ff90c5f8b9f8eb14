/**
 * Pool values: the kinds of value that only the keys of a version take. Pure, like `values.ts`.
 */
import { z } from "zod";
import { BALANCER_NAMES } from "../core/balancer-names.ts";
import { nearest } from "./nearest.ts";
import type { BalanceKey } from "./pool-config.ts";
import { isPath, isPlainObject } from "./section.ts";
import { backendUrl, setting, text } from "./values.ts";

interface UrlOrMap {
  readonly expected: string;
  /** What the short form, a URL alone, is short for. */
  readonly mapOf: (url: string) => object;
  /** For what is neither. */
  readonly hint: string;
}

/** What `map` takes, or a URL, which stands for a map of it. */
export function urlOrMap<T>(map: z.ZodType<T>, { expected, mapOf, hint }: UrlOrMap) {
  return z.unknown().transform((input, context): T => {
    const isUrl = typeof input === "string";
    if (!isUrl && !isPlainObject(input)) {
      const params = { hint: Array.isArray(input) ? hint : "" };
      context.issues.push({ code: "custom", message: expected, input, params });
      return z.NEVER;
    }
    const url = isUrl ? backendUrl().safeParse(input) : null;
    const read = url?.success === false ? url : map.safeParse(isUrl ? mapOf(input) : input);
    if (read.success) return read.data;
    for (const issue of read.error.issues) context.issues.push({ ...issue, input: undefined });
    return z.NEVER;
  });
}

/** The path of a module, as it is written: what tells it from a name. */
export const isModulePath = (algorithm: string): boolean =>
  /^(\.{0,2})\//.test(algorithm) && isPath(algorithm);

const NAMES: readonly string[] = BALANCER_NAMES;

/** A balancer's name, or the path of a module that `load.ts` makes absolute. */
export function balancer() {
  const expected = `one of ${NAMES.join(", ")}, or the path of a module, which starts with ./, ../ or /`;
  return setting<string>(expected, (input) => {
    if (typeof input !== "string") return { hint: "" };
    if (NAMES.includes(input) || isModulePath(input)) return { value: input };
    if (/\.[cm]?[jt]s$/.test(input)) return { hint: "write ./ in front of it" };
    const near = nearest(input, NAMES);
    return { hint: near === undefined ? "" : `did you mean "${near}"?` };
  });
}

const FIELD_NAME = /^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}$/;

/** What a balancer that hashes goes by; null stands for "not set". */
export function balanceKeyOrNull() {
  const expected = 'client-address, path, "header:NAME", "cookie:NAME" or null';
  return setting<BalanceKey | null>(expected, (input) => {
    if (input === null) return { value: null };
    if (input === "client-address" || input === "path") return { value: { from: input } };
    if (isPlainObject(input)) return { hint: 'write it in quotes, without blanks: "header:X-User"' };
    const [, from, name = ""] = /^(header|cookie)(?::(.*))?$/s.exec(String(input)) ?? [];
    if (from === undefined) return { hint: "" };
    if (!FIELD_NAME.test(name)) return { hint: `write its name, 1 to 64 characters, as in "${from}:user"` };
    return { value: from === "header" ? { from, name: name.toLowerCase() } : { from: "cookie", name } };
  });
}

export const cookieName = () =>
  text("a cookie's name: 1 to 64 letters, digits, - or one of !#$%&'*+.^_`|~", (input) =>
    FIELD_NAME.test(input),
  );

/** What a cookie is signed with; fewer bytes could be guessed. */
export const SECRET_RULE = "16 to 1024 visible ASCII characters without spaces";
export const isCookieSecret = (input: string): boolean => /^[!-~]{16,1024}$/.test(input);
