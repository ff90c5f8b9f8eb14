/**
 * Rules between keys: what each key alone may say, but not together.
 *
 * Runs over values of which some may be wrong (their own problem is reported beside these), so each
 * rule looks at a value's type before it judges, and stays silent about a wrong one.
 */
import type { z } from "zod";

const MIN_BACKENDS = 2;
const MAX_BACKENDS = 64; // every version is a label of every metric

export function checkTogether(settings: unknown, context: z.core.$RefinementCtx): void {
  const refuse = (path: string, message: string) =>
    void context.addIssue({
      code: "custom",
      path: path.split(".").map(asIndex),
      message,
      params: { isRule: true },
    });
  const number = (path: string) => numberAt(settings, path);

  const versions = at(settings, "backends");
  if (versions instanceof Map) {
    const names = [...versions.keys()].filter(isText); // a refused name is no text
    const hasRefused = names.length !== versions.size;
    if (!hasRefused && (names.length < MIN_BACKENDS || names.length > MAX_BACKENDS)) {
      refuse("backends", `${MIN_BACKENDS} to ${MAX_BACKENDS} versions are needed, found ${names.length}`);
    }
    const active = at(settings, "active_version");
    if (isText(active) && !versions.has(active)) {
      refuse("active_version", `must be one of the backends (${names.join(", ")}), found ${active}`);
    }
  }

  if (number("switch.drain.websocket_window") > number("switch.drain.deadline")) {
    refuse("switch.drain.websocket_window", "must not be longer than switch.drain.deadline");
  }
  if (number("switch.probe.max_latency") > number("switch.probe.timeout")) {
    refuse("switch.probe.max_latency", "must not be longer than switch.probe.timeout");
  }
  if (at(settings, "switch.probe.method") === "HEAD" && isText(at(settings, "switch.probe.expect_body"))) {
    refuse(
      "switch.probe.expect_body",
      "cannot be found: an answer to HEAD has no body; use another switch.probe.method",
    );
  }
  const gaps = (number("switch.probe.successes") - 1) * number("switch.probe.interval");
  if (gaps >= number("switch.prepare_timeout")) {
    refuse(
      "switch.prepare_timeout",
      "must be longer than switch.probe.interval times the pauses between switch.probe.successes probes, or no switch can pass",
    );
  }

  checkAdmin(settings, refuse);
}

type Refuse = (path: string, message: string) => void;

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

const asIndex = (key: string) => (/^\d+$/.test(key) ? Number(key) : key);
const isWildcard = (host: string) => host === "0.0.0.0" || host === "::";
const isLocalhost = (host: string) => host.toLowerCase() === "localhost";
const isLoopback = (host: string) => host === "127.0.0.1" || host === "::1";
const isText = (value: unknown): value is string => typeof value === "string";

/** NaN for what is no number: every comparison with it is false. */
function numberAt(settings: unknown, path: string): number {
  const value = at(settings, path);
  return typeof value === "number" ? value : Number.NaN;
}

function at(settings: unknown, path: string): unknown {
  let value = settings;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
