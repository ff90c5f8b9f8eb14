/**
 * Probe schema: what a probe asks and how it is judged, for the gate of a switch and for a version's health alike.
 *
 * Pure. How often it is asked, and how many answers change a verdict, is each user's own.
 */
import { at, isText, numberAt } from "./look-up.ts";
import type { ProbeConfig } from "./probe-config.ts";
import { authorityOrNull, bodyTextOrNull, expectedFields, sentFields } from "./probe-values.ts";
import type { Refuse } from "./refuse.ts";
import { time } from "./section.ts";
import { durationOrNull, type StatusRange, statusRanges, text } from "./values.ts";

/** @param name of the section, for hints: `switch.probe`. @param path the default. */
export const probeShape = (name: string, path: string) => ({
  // CONNECT opens a tunnel and has no answer to judge.
  method: text("an HTTP method in capitals, not CONNECT", (input) =>
    /^(?!CONNECT$)[A-Z0-9!#$%&'*+.^_`|~-]{1,32}$/.test(input),
  ).prefault("GET"),
  path: text("a path that starts with / and holds no space, # or special character", (input) =>
    /^\/(?!.*#)[!-~]{0,2047}$/.test(input),
  ).prefault(path),
  host: authorityOrNull(name).prefault(null),
  headers: sentFields(name).prefault({}),
  expect: statusRanges().prefault("200-399"),
  expect_headers: expectedFields().prefault({}),
  expect_body: bodyTextOrNull().prefault(null),
  max_latency: durationOrNull("1ms", "24h").prefault(null),
  timeout: time().prefault("2s"),
});

/** @param refuse takes a path inside the section. @param name of the section, for the texts. */
export function checkProbe(probe: unknown, refuse: Refuse, name: string): void {
  if (numberAt(probe, "max_latency") > numberAt(probe, "timeout")) {
    refuse("max_latency", `must not be longer than ${name}.timeout`);
  }
  if (at(probe, "method") === "HEAD" && isText(at(probe, "expect_body"))) {
    refuse("expect_body", `cannot be found: an answer to HEAD has no body; use another ${name}.method`);
  }
}

interface ProbeSettings extends Pick<ProbeConfig, "method" | "path" | "host" | "headers"> {
  readonly expect: readonly StatusRange[];
  readonly expect_headers: ProbeConfig["expectHeaders"];
  readonly expect_body: string | null;
  readonly max_latency: number | null;
  readonly timeout: number;
}

export function toProbe(probe: ProbeSettings): Omit<ProbeConfig, "successes" | "intervalMs"> {
  return {
    method: probe.method,
    path: probe.path,
    host: probe.host,
    headers: probe.headers,
    expect: probe.expect,
    expectHeaders: probe.expect_headers,
    expectBody: probe.expect_body,
    maxLatencyMs: probe.max_latency,
    timeoutMs: probe.timeout,
  };
}
