/**
 * Plan of a change: what POST /backends asks for, as the step that it is, or why it is none.
 *
 * Pure: nothing is written or told here. Whatever the step, it never leaves a version without a backend, and without
 * force not without one that could take traffic.
 */
import type { TargetConfig } from "../../config/pool-config.ts";
import type { BackendSnapshot } from "../../config/snapshot.ts";
import { hostOf } from "../../core/host-of.ts";
import type { Version } from "../../core/version.ts";
import { SwitchRefusal } from "../switch/switch-refusal.ts";
import type { BackendsCall } from "./backends-call.ts";
import {
  type ChangeInForce,
  type Changes,
  canTakeTraffic,
  changesOf,
  keyOf,
  MAX_CHANGES,
} from "./changes.ts";
import { MAX_BACKENDS } from "./members.ts";

/** A version as it is before the change. */
export interface PoolView {
  readonly version: Version;
  /** The config's. */
  readonly targets: readonly TargetConfig[];
  readonly backends: readonly BackendSnapshot[];
  readonly changes: Changes;
  /** Whether the last that was done to it was to remove it. */
  wasRemoved(backend: string): boolean;
}

export interface Plan {
  /** null: it is so already. What is in force for the backend then; for a whole version null. */
  readonly step: { readonly inForce: ChangeInForce | null } | null;
  /** A sentence without its full stop. */
  readonly message: string;
}

/** @throws SwitchRefusal UNKNOWN_BACKEND, BACKEND_OF_A_NAME, TOO_MANY_BACKENDS */
export function planChange(call: BackendsCall, view: PoolView): Plan {
  const { backend } = call;
  if (backend === null) return planResetOfAll(view);
  const before = view.changes.get(keyOf(view.version, backend)) ?? null;
  if (call.action === "add") refuseNoAdd(backend, view);
  else if (!isKnown(call, view, before)) {
    if (call.action === "remove" && view.wasRemoved(backend))
      return { step: null, message: `${backend} is not there` };
    throw unknownBackend(backend, view, before);
  }
  const inForce = simplified(wanted(call, backend, view, before), view);
  if (isSame(inForce, before)) return { step: null, message: `${backend} is so already; nothing changed` };
  if (inForce !== null && before === null) refuseTooMany(inForce, view);
  return { step: { inForce }, message: MESSAGES[call.action](backend, call.weight) };
}

const MESSAGES: Record<BackendsCall["action"], (backend: string, weight: number | null) => string> = {
  add: (backend) => `${backend} is in the pool`,
  remove: (backend) => `${backend} was taken out; what runs on it may end`,
  drain: (backend) => `${backend} takes nothing new; what runs on it may end`,
  enable: (backend) => `${backend} takes traffic again`,
  weight: (backend, weight) => `${backend} has the weight ${weight}`,
  reset: (backend) => `${backend} is as the config has it`,
};

function planResetOfAll({ version, changes }: PoolView): Plan {
  const isAny = changesOf(version, changes).length > 0;
  if (!isAny) return { step: null, message: `${version} is as the config has it already; nothing changed` };
  return { step: { inForce: null }, message: `${version} is as the config has it` };
}

/** What the call wants, whatever was before. */
function wanted(
  { action, weight }: BackendsCall,
  backend: string,
  view: PoolView,
  before: ChangeInForce | null,
): ChangeInForce | null {
  const kept: ChangeInForce = before ?? {
    version: view.version,
    backend,
    presence: "kept",
    weight: null,
    drained: false,
  };
  const isConfigured = isTarget(backend, view);
  switch (action) {
    case "add": {
      const isThere = view.backends.some(({ name }) => name === backend);
      if (isThere) return weight === null ? kept : { ...kept, weight };
      const presence = isConfigured ? "kept" : "added";
      return { ...kept, presence, weight: weight ?? (isConfigured ? null : WEIGHT_OF_ADDED), drained: false };
    }
    case "remove":
      return isConfigured ? { ...kept, presence: "removed", weight: null, drained: false } : null;
    case "drain":
      return { ...kept, drained: true };
    case "enable":
      return { ...kept, drained: false };
    case "weight":
      return { ...kept, weight };
    case "reset":
      return null;
  }
}

const WEIGHT_OF_ADDED = 1;

/** Without what the config says anyhow; null when nothing is left. */
function simplified(change: ChangeInForce | null, view: PoolView): ChangeInForce | null {
  if (change === null || change.presence !== "kept") return change;
  const configured = configuredWeight(change.backend, view);
  const weight = change.weight === configured ? null : change.weight;
  return weight === null && !change.drained ? null : { ...change, weight };
}

/** null when it is not the config's. */
export function configuredWeight(
  name: string,
  { targets, backends }: Pick<PoolView, "targets" | "backends">,
): number | null {
  const origin = backends.find((backend) => backend.name === name)?.origin ?? name;
  return targets.find((target) => target.origin === origin)?.weight ?? null;
}

function isTarget(backend: string, { targets }: PoolView): boolean {
  return targets.some(({ origin, resolve }) => origin === backend && resolve === "name");
}

/** What is not there, but is meant by a change that is kept, can be removed and reset, and nothing else. */
function isKnown({ action, backend }: BackendsCall, view: PoolView, before: ChangeInForce | null): boolean {
  if (view.backends.some(({ name }) => name === backend)) return true;
  return before !== null && (action === "remove" || action === "reset");
}

function isSame(a: ChangeInForce | null, b: ChangeInForce | null): boolean {
  if (a === null || b === null) return a === b;
  return a.presence === b.presence && a.weight === b.weight && a.drained === b.drained;
}

// ── refusals ──────────────────────────────────────────────────────────────────────────────────────

/** @throws SwitchRefusal when the backend is one of those that DNS brings. */
export function refuseRemovalOfAddress({ action }: BackendsCall, found: BackendSnapshot | undefined): void {
  if (action !== "remove" || found === undefined || found.name === found.origin) return;
  const host = hostOf(found.origin);
  throw new SwitchRefusal(
    "BACKEND_OF_A_NAME",
    `${found.name} is an address of ${host} (resolve: all) and goes when DNS no longer has it; drain it or give it the weight 0`,
  );
}

function refuseNoAdd(backend: string, { targets }: PoolView): void {
  if (!targets.some(({ origin, resolve }) => origin === backend && resolve === "all")) return;
  throw new SwitchRefusal(
    "BACKEND_OF_A_NAME",
    `${backend} is in the config with resolve: all: each address of ${hostOf(backend)} is a backend already`,
  );
}

function refuseTooMany({ presence }: ChangeInForce, { version, backends, changes }: PoolView): void {
  const kept = changesOf(version, changes).length;
  const isRoom = presence !== "added" || backends.length < MAX_BACKENDS;
  if (isRoom && kept < MAX_BACKENDS && changes.size < MAX_CHANGES) return;
  throw new SwitchRefusal(
    "TOO_MANY_BACKENDS",
    `${version} has ${backends.length} backends and ${kept} changes by hand (at most ${MAX_BACKENDS} each; ${MAX_CHANGES} changes of all versions); reset or remove what is no longer needed`,
  );
}

/**
 * @param after the backends when the change is made.
 * @throws SwitchRefusal LAST_BACKEND
 */
export function refuseLast(
  { version, force }: BackendsCall,
  view: PoolView,
  after: readonly BackendSnapshot[],
): void {
  if (view.backends.length > 0 && after.length === 0) {
    throw new SwitchRefusal(
      "LAST_BACKEND",
      `it is the last backend of ${version}: add another one first; force does not help`,
    );
  }
  if (force || !view.backends.some(canTakeTraffic) || after.some(canTakeTraffic)) return;
  throw new SwitchRefusal(
    "LAST_BACKEND",
    `no other backend of ${version} could take traffic then; add or enable another one first, or send force: true with a reason`,
  );
}

const MOST_TOLD = 8;

function unknownBackend(
  backend: string,
  { version, backends }: PoolView,
  before: ChangeInForce | null,
): SwitchRefusal {
  const known = backends.slice(0, MOST_TOLD).map(({ name }) => name);
  const more = backends.length > MOST_TOLD ? ` and ${backends.length - MOST_TOLD} more` : "";
  const hint =
    before?.presence === "removed"
      ? "it was removed by hand; add it again"
      : `known are ${known.join(", ")}${more}`;
  return new SwitchRefusal("UNKNOWN_BACKEND", `${version} has no backend ${backend}; ${hint}`, {
    details: { backends: known },
  });
}
