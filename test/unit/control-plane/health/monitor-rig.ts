/** A monitor whose time and probes are the test's. */
import type { HealthConfig } from "../../../../src/config/pool-config.ts";
import { Monitor, type ProbedBackend } from "../../../../src/control-plane/health/monitor.ts";
import type { ProbeReport } from "../../../../src/health/probe.ts";
import { Random } from "../../../load/random.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";

export const HEALTH: HealthConfig = {
  method: "GET",
  path: "/health",
  host: null,
  headers: [],
  expect: [{ from: 200, to: 399 }],
  expectHeaders: [],
  expectBody: null,
  maxLatencyMs: null,
  timeoutMs: 2_000,
  intervalMs: 10_000,
  unhealthyAfter: 3,
  healthyAfter: 2,
};

export function backendsOf(
  count: number,
  change: Partial<HealthConfig> = {},
  version = "v1",
): readonly ProbedBackend[] {
  return Array.from({ length: count }, (_, index) => {
    const origin = `http://10.0.${index >> 8}.${index & 255}:9000`;
    return { version, name: origin, origin, addresses: [], health: { ...HEALTH, ...change } };
  });
}

export const GOOD: ProbeReport = { ok: true, saw: "200", status: 200, durationMs: 1 };
export const BAD: ProbeReport = { ok: false, saw: "503, expected 200-399", status: 503, durationMs: 1 };

export interface Probed {
  readonly backend: ProbedBackend;
  readonly atMs: number;
  readonly signal: AbortSignal;
  /** How it ends, unless `answer` has ended it. */
  end(report: ProbeReport): void;
}

export interface MonitorRig {
  readonly monitor: Monitor;
  /** Every probe so far, with its time since the start. */
  readonly probed: Probed[];
  /** Those that run. */
  readonly running: Set<Probed>;
  readonly verdicts: string[];
  readonly logged: { readonly level: string; readonly sentence: string; readonly fields: object }[];
  readonly timers: ManualTimers;
  /** In steps of 10 ms. */
  pass(ms: number): Promise<void>;
  /** At once: nothing ran meanwhile. */
  jump(ms: number): Promise<void>;
  nowMs(): number;
}

/** @param answer null: the test ends the probe, or nobody does. */
export function startRig(answer: (probed: Probed) => ProbeReport | null = () => GOOD, seed = 1): MonitorRig {
  const clock = new ManualClock();
  const timers = new ManualTimers();
  const random = new Random(seed);
  const startMs = clock.nowMs();
  const probed: Probed[] = [];
  const running = new Set<Probed>();
  const verdicts: string[] = [];
  const logged: MonitorRig["logged"] = [];
  const note = (level: string) => (fields: object, sentence: string) =>
    void logged.push({ level, sentence, fields });
  const nowMs = (): number => clock.nowMs() - startMs;
  const probe = (backend: ProbedBackend, signal: AbortSignal): Promise<ProbeReport> =>
    new Promise((resolve) => {
      const end = (report: ProbeReport): void => {
        running.delete(one);
        resolve(report);
      };
      const one: Probed = { backend, atMs: nowMs(), signal, end };
      probed.push(one);
      running.add(one);
      signal.addEventListener("abort", () => end({ ...BAD, isCutShort: true }));
      const report = answer(one);
      if (report !== null) end(report);
    });
  const monitor = new Monitor({
    probe,
    onVerdict: (backend, verdict, report) =>
      void verdicts.push(`${backend.version} ${backend.name} ${verdict} ${report.saw}`),
    clock,
    after: (ms, run) => timers.after(ms, run),
    random: () => random.next(),
    log: { info: note("info"), warn: note("warn"), error: note("error") },
  });
  const jump = async (ms: number): Promise<void> => {
    clock.advance(ms);
    timers.pass(ms);
    await new Promise(setImmediate);
  };
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) await jump(10);
  };
  return { monitor, probed, running, verdicts, logged, timers, pass, jump, nowMs };
}
