/**
 * The bodies of POST /switch, /rollback, /pause and /resume: text to a checked call, or a refusal that says what is wrong.
 *
 * Pure; call-body.ts has what all bodies have in common. Whether the version exists is not asked here.
 */
import { z } from "zod";
import { duration } from "../../config/values.ts";
import type { Version } from "../../core/version.ts";
import {
  booleanField,
  check,
  EXPECT_FIELDS,
  FORCE_NEEDS_REASON,
  hasReasonToForce,
  malformed,
  parseObject,
  reasonField,
  versionField,
} from "./call-body.ts";
import { canonicalJson, sha256 } from "./canonical-json.ts";

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
  reason: reasonField.optional(),
  force: booleanField.optional(),
  expect: expectation.optional(),
  hold: hold.optional(),
};
const pauseFields = { for: duration("1s", "10m").optional(), reason: reasonField.optional() };
const DEFAULT_PAUSE_MS = 30_000;
const switchFields = {
  version: versionField,
  dry_run: booleanField.optional(),
  wait: duration("0s", "10m").optional(),
  ...common,
};
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

function toExpectation(
  expect: { version?: Version | undefined; epoch?: number | undefined } | undefined,
): Expectation | null {
  if (expect === undefined) return null;
  const { version, epoch } = expect;
  return { ...(version === undefined ? {} : { version }), ...(epoch === undefined ? {} : { epoch }) };
}
