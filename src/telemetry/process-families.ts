/**
 * Process families: `process_*` and `nodejs_*` as prom-client names them, for the whole daemon.
 *
 * prom-client measures the primary. To what the workers report too, theirs is added, so that each name
 * occurs once; the other families concern the primary alone and say so in their help.
 */
import { collectDefaultMetrics, Registry } from "prom-client";
import type { Family, Sample } from "./exposition.ts";
import type { ProcessStats, WorkerStats } from "./worker-stats.ts";

/** What is summed over the processes, and how a worker says it. */
const SUMMED: Readonly<Record<string, (process: ProcessStats) => number>> = {
  process_cpu_user_seconds_total: ({ cpuUserSeconds }) => cpuUserSeconds,
  process_cpu_system_seconds_total: ({ cpuSystemSeconds }) => cpuSystemSeconds,
  process_cpu_seconds_total: ({ cpuUserSeconds, cpuSystemSeconds }) => cpuUserSeconds + cpuSystemSeconds,
  process_resident_memory_bytes: ({ residentBytes }) => residentBytes,
  nodejs_heap_size_total_bytes: ({ heapTotalBytes }) => heapTotalBytes,
  nodejs_heap_size_used_bytes: ({ heapUsedBytes }) => heapUsedBytes,
  nodejs_external_memory_bytes: ({ externalBytes }) => externalBytes,
};

/** Starts prom-client's measuring of this process. */
export function startProcessMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** @param everyStats of the workers that run and of those that are gone, whose gauges are 0. */
export async function processFamilies(
  primary: Registry,
  everyStats: readonly WorkerStats[],
): Promise<Family[]> {
  const families = await registryFamilies(primary);
  return families.map((family) => {
    const ofWorker = SUMMED[family.name];
    if (ofWorker === undefined) return { ...family, help: `${endSentence(family.help)} Primary only.` };
    const workers = everyStats.reduce((total, { process }) => total + ofWorker(process), 0);
    const samples = family.samples.map((sample) => ({ ...sample, value: sample.value + workers }));
    return { ...family, samples, help: `${endSentence(family.help)} Sum of all processes.` };
  });
}

/** What a prom-client registry holds, as plain families. */
export async function registryFamilies(registry: Registry): Promise<Family[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, type, help, values }) => ({
    name,
    help,
    type: String(type), // typed as an enum of numbers, but "counter", "gauge", …
    samples: values.map((value): Sample => {
      const sampleName = "metricName" in value ? String(value.metricName ?? name) : name;
      const labels = Object.fromEntries(
        Object.entries(value.labels).map(([key, label]) => [key, label ?? ""]),
      );
      return { suffix: sampleName.slice(name.length), labels, value: value.value };
    }),
  }));
}

function endSentence(help: string): string {
  return help.endsWith(".") ? help : `${help}.`;
}
