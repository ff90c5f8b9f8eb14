/**
 * Registry: from the name in `balance.algorithm` to the balancer, or from the path of a module of the operator.
 *
 * Runs at start, in each worker; the path is absolute by then.
 */
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { BalancerName } from "../../core/balancer-names.ts";
import { StartError } from "../../core/errors.ts";
import type { BalancerKind } from "./balancer.ts";
import { consistentHash } from "./consistent-hash.ts";
import { guarded, type TellFault } from "./guard.ts";
import { leastInFlight } from "./least-in-flight.ts";
import { p2cEwma } from "./p2c-ewma.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import { smoothWeighted } from "./smooth-weighted.ts";
import { weightedLeastInFlight } from "./weighted-least-in-flight.ts";

export const BALANCERS: Readonly<Record<BalancerName, BalancerKind>> = {
  "round-robin": roundRobin,
  "smooth-weighted": smoothWeighted,
  "least-in-flight": leastInFlight,
  "weighted-least-in-flight": weightedLeastInFlight,
  "p2c-ewma": p2cEwma,
  "consistent-hash": consistentHash,
  random,
};

/** What a module waits for at its top level is waited for so long. */
const IMPORT_LIMIT_MS = 10_000;
const TRIAL = { seed: 1, worker: 0, workers: 1 };

/**
 * @param algorithm a name of BALANCERS, or the absolute path of a module that exports `balancer`, a BalancerKind.
 * @param tell what such a module's balancer does wrong later, once for each pool.
 * @throws StartError that says what is wrong with the module.
 */
export async function loadBalancer(
  algorithm: string,
  tell: TellFault,
  limitMs = IMPORT_LIMIT_MS,
): Promise<BalancerKind> {
  const builtIn = Object.entries(BALANCERS).find(([name]) => name === algorithm)?.[1];
  if (builtIn !== undefined) return builtIn;
  const { balancer } = await importModule(algorithm, limitMs);
  if (balancer === undefined) {
    throw refusal(algorithm, "it has no export `balancer`; write `export const balancer = { … }`");
  }
  if (!isKind(balancer)) {
    throw refusal(algorithm, KIND_RULE);
  }
  try {
    if (!isBalancer(balancer.create(TRIAL))) throw refusal(algorithm, CREATE_RULE);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    throw refusal(algorithm, "its create(options) threw", cause);
  }
  return guarded(balancer, tell);
}

const KIND_RULE =
  "its export `balancer` must be { needsKey, needsLatency, create }: true or false, true or false, and a function";
const CREATE_RULE =
  "its create(options) must give an object with reset(candidates) and pick(candidates, keyHash)";

async function importModule(path: string, limitMs: number): Promise<Record<string, unknown>> {
  const { href } = pathToFileURL(path);
  const limit = new AbortController();
  const tooLate = async (): Promise<never> => {
    await delay(limitMs, null, { signal: limit.signal });
    throw refusal(path, `it was not loaded within ${limitMs} ms; it waits for something at its top level`);
  };
  try {
    return await Promise.race([import(href) as Promise<Record<string, unknown>>, tooLate()]);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    throw refusal(path, isMissing(cause, href) ? "there is no such file" : "it cannot be loaded", cause);
  } finally {
    limit.abort();
  }
}

/** The module itself, not one that it imports. */
function isMissing(cause: unknown, href: string): boolean {
  const { code, url } = (cause ?? {}) as { code?: unknown; url?: unknown };
  return code === "ERR_MODULE_NOT_FOUND" && url === href;
}

function isKind(value: unknown): value is BalancerKind {
  const { needsKey, needsLatency, create } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof needsKey === "boolean" && typeof needsLatency === "boolean" && typeof create === "function";
}

function isBalancer(value: unknown): boolean {
  const { reset, pick } = (value ?? {}) as { reset?: unknown; pick?: unknown };
  return typeof reset === "function" && typeof pick === "function";
}

/** With the words of what the module threw: without a stack nobody sees them else. */
function refusal(path: string, why: string, cause?: unknown): StartError {
  const said = cause instanceof Error ? `: ${cause.message}` : "";
  return new StartError(`balance.algorithm ${path}: ${why}${said}`, 1, { cause });
}
