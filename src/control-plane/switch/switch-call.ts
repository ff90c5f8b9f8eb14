/**
 * The bodies of POST /switch, /rollback, /pause and /resume: text to a checked call, or a refusal that says what is wrong.
 *
 * Pure. A field that is not known is refused, a typo must not switch; so is a field that is there twice, which
 * two parsers could read differently. Whether the version exists is not asked here.
 */
import { z } from "zod";
import { nearest } from "../../config/nearest.ts";
import { duration } from "../../config/values.ts";
import type { Version } from "../../core/version.ts";
import { canonicalJson, sha256 } from "./canonical-json.ts";
import { SwitchRefusal } from "./switch-refusal.ts";

export interface Expectation {
  readonly version?: Version;
  readonly epoch?: number;
}

export interface SwitchCall {
  readonly version: Version;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly reason: string | null;
  readonly expect: Expectation | null;
  /** How long the gate goes on after a bad probe; 0 refuses at once. */
  readonly waitMs: number;
  /** How long new requests may wait while the workers flip; 0: they do not. */
  readonly holdMs: number;
}

export interface RollbackCall {
  readonly reason: string | null;
  readonly force: boolean;
  readonly expect: Expectation | null;
  readonly holdMs: number;
}

export interface PauseCall {
  /** The limit in time: after it everything goes on by itself. */
  readonly forMs: number;
  readonly reason: string | null;
}

const REASON_MAX_LENGTH = 500;
const EXPECT_FIELDS = ["version", "epoch"];

const versionField = z
  .string("must be the name of a version")
  .min(1, "must not be empty")
  .max(64, "is longer than the name of any version");
const boolean = z.boolean("must be true or false");
const reason = z
  .string("must be a text")
  .max(REASON_MAX_LENGTH, `is longer than ${REASON_MAX_LENGTH} characters`)
  .regex(/^\P{Cc}*$/u, "must not hold control characters such as line breaks");
const expectation = z
  .strictObject(
    {
      version: versionField.optional(),
      epoch: z.int("must be a whole number").min(0, "must not be negative").optional(),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be an object" : undefined) },
  )
  .refine(({ version, epoch }) => version !== undefined || epoch !== undefined, {
    error: `must name ${EXPECT_FIELDS.join(" or ")}`,
    when: ({ issues }) => issues.length === 0, // a misspelt one is told already
  });

/** Under a second a worker that is merely busy would be taken for dead. */
const hold = duration("0s", "60s").refine((ms) => ms === 0 || ms >= 1_000, "must be 0s or 1s to 60s");
const common = {
  reason: reason.optional(),
  force: boolean.optional(),
  expect: expectation.optional(),
  hold: hold.optional(),
};
const pauseFields = { for: duration("1s", "10m").optional(), reason: reason.optional() };
const DEFAULT_PAUSE_MS = 30_000;
const switchFields = {
  version: versionField,
  dry_run: boolean.optional(),
  wait: duration("0s", "10m").optional(),
  ...common,
};
const FORCE_NEEDS_REASON = { path: ["reason"], error: "must say why, when force is true" };
const hasReasonToForce = (call: { force?: boolean | undefined; reason?: string | undefined }): boolean =>
  call.force !== true || (call.reason ?? "").trim() !== "";

const switchBody = z.strictObject(switchFields).refine(hasReasonToForce, FORCE_NEEDS_REASON);
const rollbackBody = z.strictObject(common).refine(hasReasonToForce, FORCE_NEEDS_REASON);
const pauseBody = z.strictObject(pauseFields);
const resumeBody = z.strictObject({});

/** @throws SwitchRefusal MALFORMED_CALL that names every problem. */
export function parseSwitchBody(text: string): SwitchCall {
  if (text.trim() === "") throw malformed(['the body is empty; send {"version": "..."}']);
  const body = check(switchBody, parseObject(text), Object.keys(switchFields));
  return {
    version: body.version,
    force: body.force ?? false,
    dryRun: body.dry_run ?? false,
    reason: body.reason ?? null,
    expect: toExpectation(body.expect),
    waitMs: body.wait ?? 0,
    holdMs: body.hold ?? 0,
  };
}

/** An empty body is `{}`. @throws SwitchRefusal MALFORMED_CALL that names every problem. */
export function parseRollbackBody(text: string): RollbackCall {
  const body = check(rollbackBody, parseObject(text.trim() === "" ? "{}" : text), Object.keys(common));
  return {
    reason: body.reason ?? null,
    force: body.force ?? false,
    expect: toExpectation(body.expect),
    holdMs: body.hold ?? 0,
  };
}

/** An empty body is `{}`. @throws SwitchRefusal MALFORMED_CALL that names every problem. */
export function parsePauseBody(text: string): PauseCall {
  const body = check(pauseBody, parseObject(text.trim() === "" ? "{}" : text), Object.keys(pauseFields));
  return { forMs: body.for ?? DEFAULT_PAUSE_MS, reason: body.reason ?? null };
}

/** Nothing, or `{}`. @throws SwitchRefusal MALFORMED_CALL */
export function parseResumeBody(text: string): void {
  check(resumeBody, parseObject(text.trim() === "" ? "{}" : text), []);
}

/**
 * What an Idempotency-Key is tied to: the call and the value of its body, whatever its key order and white space.
 *
 * @param text a body that the call's parser has accepted.
 */
export function callDigest(call: "switch" | "rollback", text: string): string {
  return sha256(canonicalJson([call, JSON.parse(text.trim() === "" ? "{}" : text)]));
}

function parseObject(text: string): object {
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

function check<T>(schema: z.ZodType<T>, value: object, known: readonly string[]): T {
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

function malformed(problems: readonly string[]): SwitchRefusal {
  return new SwitchRefusal("MALFORMED_CALL", problems.join("; "), { details: { problems } });
}

function toExpectation(
  expect: { version?: Version | undefined; epoch?: number | undefined } | undefined,
): Expectation | null {
  if (expect === undefined) return null;
  const { version, epoch } = expect;
  return { ...(version === undefined ? {} : { version }), ...(epoch === undefined ? {} : { epoch }) };
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
