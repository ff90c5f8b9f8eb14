/**
 * The body of POST /backends: text to a checked call, or a refusal that says what is wrong.
 *
 * Pure. Whether the version and the backend exist is not asked here.
 */
import { z } from "zod";
import { backendUrl } from "../../config/values.ts";
import type { Version } from "../../core/version.ts";
import {
  booleanField,
  check,
  FORCE_NEEDS_REASON,
  hasReasonToForce,
  malformed,
  parseObject,
  reasonField,
  versionField,
} from "../switch/call-body.ts";
import { BACKEND_ACTIONS, type BackendAction, MAX_WEIGHT } from "./changes.ts";

export interface BackendsCall {
  readonly version: Version;
  /** As the config would write it; null: every one of the version. */
  readonly backend: string | null;
  readonly action: BackendAction;
  /** null: not asked for. */
  readonly weight: number | null;
  readonly reason: string | null;
  readonly force: boolean;
}

const WEIGHT_RULE = `must be a whole number from 0 to ${MAX_WEIGHT}`;
const TAKES_WEIGHT: ReadonlySet<BackendAction> = new Set(["add", "weight"]);

const fields = {
  version: versionField,
  backend: backendUrl().optional(),
  action: z.enum(BACKEND_ACTIONS, `must be one of ${BACKEND_ACTIONS.join(", ")}`),
  weight: z.int(WEIGHT_RULE).min(0, WEIGHT_RULE).max(MAX_WEIGHT, WEIGHT_RULE).optional(),
  reason: reasonField.optional(),
  force: booleanField.optional(),
};
const body = z
  .strictObject(fields)
  .refine(({ action, backend }) => action === "reset" || backend !== undefined, {
    path: ["backend"],
    error: "must be the URL of a backend; only reset may leave it out",
  })
  .refine(({ action, weight }) => action !== "weight" || weight !== undefined, {
    path: ["weight"],
    error: `${WEIGHT_RULE} for the action weight`,
  })
  .refine(({ action, weight }) => weight === undefined || TAKES_WEIGHT.has(action), {
    path: ["weight"],
    error: "goes with add and weight alone",
  })
  .refine(hasReasonToForce, FORCE_NEEDS_REASON);

/** @throws SwitchRefusal MALFORMED_CALL that names every problem. */
export function parseBackendsBody(text: string): BackendsCall {
  if (text.trim() === "") {
    throw malformed(['the body is empty; send {"version": "...", "backend": "http://...", "action": "..."}']);
  }
  const call = check(body, parseObject(text), Object.keys(fields));
  return {
    version: call.version,
    backend: call.backend ?? null,
    action: call.action,
    weight: call.weight ?? null,
    reason: call.reason ?? null,
    force: call.force ?? false,
  };
}
