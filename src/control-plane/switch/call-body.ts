/**
 * Call body: what the bodies of all calls that change something have in common: text to a checked object, or a refusal
 * that names every problem.
 *
 * Pure. A field that is not known is refused, a typo must not switch; so is a field that is there twice, which
 * two parsers could read differently.
 */
import { z } from "zod";
import { nearest } from "../../config/nearest.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

/** Of the only object within a body. */
export const EXPECT_FIELDS = ["version", "epoch"];
const REASON_MAX_LENGTH = 500;

export const versionField = z
  .string("must be the name of a version")
  .min(1, "must not be empty")
  .max(64, "is longer than the name of any version");
export const booleanField = z.boolean("must be true or false");
export const reasonField = z
  .string("must be a text")
  .max(REASON_MAX_LENGTH, `is longer than ${REASON_MAX_LENGTH} characters`)
  .regex(/^\P{Cc}*$/u, "must not hold control characters such as line breaks");

export const FORCE_NEEDS_REASON = { path: ["reason"], error: "must say why, when force is true" };
export const hasReasonToForce = (call: {
  force?: boolean | undefined;
  reason?: string | undefined;
}): boolean => call.force !== true || (call.reason ?? "").trim() !== "";

/** @throws SwitchRefusal MALFORMED_CALL */
export function parseObject(text: string): object {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(["the body must be a JSON object"]);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw malformed([`${JSON.stringify(twice)} is there twice`]);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed([`the body is not JSON: ${error instanceof Error ? error.message : "unreadable"}`]);
  }
}

/** @throws SwitchRefusal MALFORMED_CALL that names every problem. */
export function check<T>(schema: z.ZodType<T>, value: object, known: readonly string[]): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed(parsed.error.issues.flatMap((issue) => problemsOf(issue, known)));
}

function problemsOf(issue: z.core.$ZodIssue, known: readonly string[]): string[] {
  const path = issue.path.join(".");
  if (issue.code === "custom" && typeof issue.params?.hint === "string") {
    return [`${path} must be ${issue.message}; ${issue.params.hint}`.replace(/; $/, "")]; // see config/values.ts
  }
  if (issue.code !== "unrecognized_keys") return [`${path} ${issue.message}`];
  const here = path === "" ? known : EXPECT_FIELDS;
  return issue.keys.map((key) => unknownField(path, key, here));
}

function unknownField(path: string, key: string, known: readonly string[]): string {
  const name = `${path === "" ? "" : `${path}.`}${key.slice(0, 64)}`;
  const near = nearest(key, known);
  const list = known.length === 0 ? "no field is known here" : `known are ${known.join(", ")}`;
  const hint = near === undefined ? list : `did you mean ${near}?`;
  return `unknown field ${JSON.stringify(name)}; ${hint}`;
}

export function malformed(problems: readonly string[]): SwitchRefusal {
  return new SwitchRefusal("MALFORMED_CALL", problems.join("; "), { details: { problems } });
}

/** @param json text that JSON.parse accepts; it drops all but the last of equal keys without a word. */
function repeatedKey(json: string): string | undefined {
  const open: (Set<string> | null)[] = []; // of every open object its keys; null is an array
  let string: string | null = null;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":" && string !== null) {
      if (open.at(-1)?.has(string)) return string;
      open.at(-1)?.add(string);
    }
    string = token.startsWith('"') ? String(JSON.parse(token)) : null;
  }
  return undefined;
}
