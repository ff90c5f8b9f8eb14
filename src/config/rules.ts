/**
 * Rules between keys: what each key alone may say, but not together.
 *
 * Runs over values of which some may be wrong (their own problem is reported beside these), so each
 * rule looks at a value's type before it judges, and stays silent about a wrong one.
 */
import type { z } from "zod";
import { at, isText, numberAt } from "./look-up.ts";
import { checkProbe } from "./probe-schema.ts";
import { type Refuse, refuserOf } from "./refuse.ts";

const MIN_BACKENDS = 2;
const MAX_BACKENDS = 64; // every version is a label of every metric
const MAX_TARGETS = 4_000; // over all versions: each has its probes, metrics and state in every worker

export function checkTogether(settings: unknown, context: z.core.$RefinementCtx): void {
  const refuse = refuserOf(context);
  const number = (path: string) => numberAt(settings, path);

  const versions = at(settings, "backends");
  if (versions instanceof Map) {
    const names = [...versions.keys()].filter(isText); // a refused name is no text
    const hasRefused = names.length !== versions.size;
    if (!hasRefused && (names.length < MIN_BACKENDS || names.length > MAX_BACKENDS)) {
      refuse("backends", `${MIN_BACKENDS} to ${MAX_BACKENDS} versions are needed, found ${names.length}`);
    }
    const targets = [...versions.values()].reduce<number>((sum, version) => sum + targetCountOf(version), 0);
    if (targets > MAX_TARGETS) {
      refuse("backends", `at most ${MAX_TARGETS} targets over all versions, found ${targets}`);
    }
    const active = at(settings, "active_version");
    if (isText(active) && !versions.has(active)) {
      refuse("active_version", `must be one of the backends (${names.join(", ")}), found ${active}`);
    }
  }

  if (number("switch.drain.websocket_window") > number("switch.drain.deadline")) {
    refuse("switch.drain.websocket_window", "must not be longer than switch.drain.deadline");
  }
  checkRetries(settings, refuse);
  const probe = "switch.probe";
  checkProbe(at(settings, probe), (key, message) => refuse(`${probe}.${key}`, message), probe);
  const gaps = (number("switch.probe.successes") - 1) * number("switch.probe.interval");
  if (gaps >= number("switch.prepare_timeout")) {
    refuse(
      "switch.prepare_timeout",
      "must be longer than switch.probe.interval times the pauses between switch.probe.successes probes, or no switch can pass",
    );
  }

  checkAdmin(settings, refuse);
}

function checkRetries(settings: unknown, refuse: Refuse): void {
  const perTryMs = numberAt(settings, "upstream.per_try_timeout"); // NaN for null
  const responseMs = numberAt(settings, "upstream.response_timeout");
  const conditions = at(settings, "upstream.retry_on");
  if (perTryMs >= responseMs) {
    const text = `must be shorter than upstream.response_timeout (${responseMs}ms), which is for all attempts together, found ${perTryMs}ms`;
    refuse("upstream.per_try_timeout", text);
  }
  if (!Array.isArray(conditions)) return;
  const isRetried = conditions.includes("response-timeout");
  if (perTryMs > 0 && !isRetried) {
    refuse(
      "upstream.per_try_timeout",
      "means nothing without response-timeout in upstream.retry_on; add it there",
    );
  }
  if (isRetried && at(settings, "upstream.per_try_timeout") === null) {
    const text =
      "response-timeout needs upstream.per_try_timeout: past upstream.response_timeout no time is left for another attempt";
    refuse("upstream.retry_on", text);
  }
}

function targetCountOf(version: unknown): number {
  const targets = at(version, "targets");
  return Array.isArray(targets) ? targets.length : 0;
}

function checkAdmin(settings: unknown, refuse: Refuse): void {
  const has = (path: string) => isText(at(settings, `admin.${path}`));
  if (has("token") && has("token_file")) {
    refuse("admin.token_file", "set admin.token or admin.token_file, not both");
  }
  checkTokens(at(settings, "admin.tokens"), refuse);
  const [hasCert, hasKey] = [has("tls.cert_file"), has("tls.key_file")];
  if (hasCert !== hasKey) {
    refuse(`admin.tls.${hasCert ? "key_file" : "cert_file"}`, "TLS needs both cert_file and key_file");
  }
  if (has("tls.client_ca_file") && !hasCert && !hasKey) {
    refuse("admin.tls.client_ca_file", "client certificates need TLS: set cert_file and key_file too");
  }
  if (has("socket")) {
    if (hasCert || hasKey)
      refuse("admin.socket", "a Unix socket has no TLS; set admin.socket or admin.tls, not both");
    return; // host and port are not used
  }
  const adminPort = numberAt(settings, "admin.port");
  const isSamePort = adminPort !== 0 && adminPort === numberAt(settings, "server.port");
  if (isSamePort && overlaps(at(settings, "server.host"), at(settings, "admin.host"))) {
    refuse("admin.port", `must differ from server.port (${adminPort}) on the same address`);
  }
}

function checkTokens(tokens: unknown, refuse: Refuse): void {
  if (!Array.isArray(tokens)) return;
  const firstAt = new Map<unknown, number>();
  for (const index of tokens.keys()) {
    const path = `admin.tokens.${index}`;
    const has = (key: string) => isText(at(tokens, `${index}.${key}`));
    const isNull = (key: string) => at(tokens, `${index}.${key}`) === null;
    if (has("token") && has("token_file")) refuse(`${path}.token_file`, "set token or token_file, not both");
    if (isNull("token") && isNull("token_file")) refuse(path, "set token or token_file");
    const name = at(tokens, `${index}.name`);
    const first = firstAt.get(name);
    if (!isText(name)) continue;
    if (first === undefined) firstAt.set(name, index);
    else refuse(`${path}.name`, `${name} is the name of admin.tokens[${first}] already`);
  }
}

/** Whether two listeners on one port would collide. */
function overlaps(a: unknown, b: unknown): boolean {
  if (!isText(a) || !isText(b)) return false;
  if (a.toLowerCase() === b.toLowerCase()) return true;
  if (isWildcard(a) || isWildcard(b)) return true;
  // What a name resolves to is not asked here; the common one is known.
  return (isLocalhost(a) && isLoopback(b)) || (isLocalhost(b) && isLoopback(a));
}

const isWildcard = (host: string) => host === "0.0.0.0" || host === "::";
const isLocalhost = (host: string) => host.toLowerCase() === "localhost";
const isLoopback = (host: string) => host === "127.0.0.1" || host === "::1";
