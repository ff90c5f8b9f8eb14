/**
 * Pool rules: what the keys of one version may each say, but not together.
 *
 * Pure, and silent about values that are wrong by themselves, like `rules.ts`. Paths are those inside the version.
 */
import { isIP } from "node:net";
import type { z } from "zod";
import { hostOf } from "../core/host-of.ts";
import { at, isText, numberAt } from "./look-up.ts";
import { isModulePath } from "./pool-values.ts";
import { checkProbe } from "./probe-schema.ts";
import { type Refuse, refuserOf } from "./refuse.ts";

const MAX_TARGETS = 1_000;

export function checkPool(pool: unknown, context: z.core.$RefinementCtx): void {
  const refuse = refuserOf(context);
  checkTargets(at(pool, "targets"), refuse);
  checkBalance(at(pool, "balance"), refuse);
  checkHealth(at(pool, "health"), refuse);
  checkWindow("outlier", at(pool, "outlier"), refuse);
  checkWindow("breaker", at(pool, "breaker"), refuse);
  const degraded = numberAt(pool, "outlier.degraded_ratio");
  const error = numberAt(pool, "outlier.error_ratio");
  if (degraded > error) {
    const text = `must not be more than outlier.error_ratio (${error}), found ${degraded}: a backend is degraded before it is ejected`;
    refuse("outlier.degraded_ratio", text);
  }
  checkSticky(at(pool, "sticky"), refuse);
}

function checkTargets(targets: unknown, refuse: Refuse): void {
  if (!Array.isArray(targets)) return;
  if (targets.length === 0 || targets.length > MAX_TARGETS) {
    refuse("targets", `1 to ${MAX_TARGETS} targets are needed, found ${targets.length}`);
  }
  if (targets.length > 0 && targets.every((target) => at(target, "weight") === 0)) {
    refuse("targets", "every weight is 0, so no backend would take traffic; give one a weight of 1 to 1000");
  }
  const firstAt = new Map<string, number>();
  for (const [index, target] of targets.entries()) {
    const url = at(target, "url");
    if (!isText(url)) continue;
    if (at(target, "resolve") === "all" && isIP(hostOf(url)) !== 0) {
      refuse(`targets.${index}.resolve`, "all is for names, and this is an address; leave it out");
    }
    const first = firstAt.get(url);
    if (first === undefined) firstAt.set(url, index);
    else refuse(`targets.${index}`, `${url} is targets[${first}] already; give it more weight there instead`);
  }
}

function checkBalance(balance: unknown, refuse: Refuse): void {
  const algorithm = at(balance, "algorithm");
  const key = at(balance, "key");
  if (!isText(algorithm) || !isText(at(key, "from"))) return;
  if (algorithm === "consistent-hash" || isModulePath(algorithm)) return;
  refuse(
    "balance.key",
    `means nothing to ${algorithm}; leave it out, or set balance.algorithm to consistent-hash`,
  );
}

function checkHealth(health: unknown, refuse: Refuse): void {
  checkProbe(health, (key, message) => refuse(`health.${key}`, message), "health");
  const timeoutMs = numberAt(health, "timeout");
  const intervalMs = numberAt(health, "interval");
  if (timeoutMs > intervalMs) {
    const text = `must not be longer than health.interval (${intervalMs}ms), found ${timeoutMs}ms: the next probe would come before this one ends`;
    refuse("health.timeout", text);
  }
}

function checkWindow(name: "outlier" | "breaker", section: unknown, refuse: Refuse): void {
  const window = numberAt(section, "window");
  const minRequests = numberAt(section, "min_requests");
  if (minRequests > window) {
    const text = `must not be more than ${name}.window (${window}), found ${minRequests}: so many outcomes are never kept`;
    refuse(`${name}.min_requests`, text);
  }
}

function checkSticky(sticky: unknown, refuse: Refuse): void {
  if (isText(at(sticky, "secret")) && isText(at(sticky, "secret_file"))) {
    refuse("sticky.secret_file", "set sticky.secret or sticky.secret_file, not both");
  }
  if (at(sticky, "secure") !== false) return;
  if (at(sticky, "same_site") === "none") {
    refuse("sticky.same_site", "none needs sticky.secure: true; browsers take no other such cookie");
  }
  const cookie = at(sticky, "cookie");
  if (isText(cookie) && /^__(secure|host)-/i.test(cookie)) {
    refuse("sticky.cookie", `a name that starts with ${cookie.split("-", 1)[0]}- needs sticky.secure: true`);
  }
}
