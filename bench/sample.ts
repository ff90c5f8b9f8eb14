/** What the load driver counted, and the contender's memory, as the figures of a sample. Pure. */
import type { LoadSample } from "./load/jobs.ts";
import type { MemoryUsage } from "./process-usage.ts";
import type { Sample } from "./result.ts";

const MIB = 2 ** 20;

export function toSample(round: number, loaded: LoadSample, memory: MemoryUsage): Sample {
  const { units, seconds, cpu, latency, failed, residentBeforeBytes, residentBytes } = loaded;
  const perUnit = (ms: number): number => ms / units;
  const cpuMs = cpu.userMs + cpu.systemMs;
  return {
    round,
    perSecond: units / seconds,
    seconds: seconds / units,
    cpuUs: perUnit(cpuMs) * 1_000,
    cpuUserUs: perUnit(cpu.userMs) * 1_000,
    cpuSystemUs: perUnit(cpu.systemMs) * 1_000,
    cpuS: perUnit(cpuMs) / 1_000,
    cpuUserS: perUnit(cpu.userMs) / 1_000,
    cpuSystemS: perUnit(cpu.systemMs) / 1_000,
    coreShare: cpuMs / (seconds * 1_000),
    ...latency,
    ...(failed === undefined ? {} : { failed }),
    residentMiB: (residentBytes ?? memory.residentBytes) / MIB,
    peakMiB: memory.peakResidentBytes / MIB,
    ...(residentBytes === undefined || residentBeforeBytes === undefined
      ? {}
      : {
          residentBeforeMiB: residentBeforeBytes / MIB,
          connectionKiB: (residentBytes - residentBeforeBytes) / 1_024 / units,
        }),
  };
}
