/**
 * What was bad: why a gate did not pass, in words for whoever asked for the switch. Pure.
 */
import type { BackendProbe, PrepareReport } from "../../ipc/messages.ts";
import type { WorkerPrepared } from "../workers/fleet.ts";

/** A backend's own words can be long. */
export const SAW_MAX_LENGTH = 200;
/** Of a pool; the others are counted. */
const BACKENDS_NAMED = 3;

/**
 * The first bad probe says most, then one that was cut short because another worker had refused, then a worker
 * that said nothing. Of a pool: each backend that was bad, and how many passed.
 */
export function whatWasBad(prepared: readonly WorkerPrepared[]): string {
  const refused = prepared.filter(({ report }) => report?.passed !== true);
  const bad = refused.flatMap(({ report }) => report?.probes ?? []).filter(({ ok }) => !ok);
  const telling = bad.find(({ isCutShort }) => isCutShort !== true) ?? bad[0];
  if (telling !== undefined) {
    const teller = mostKnowing(refused);
    return teller !== null && teller.backends.asked > 1 ? ofPool(teller) : saw(telling);
  }
  const silent = prepared.find(({ report }) => report === null);
  if (silent !== undefined) return `worker ${silent.worker} did not answer`;
  return `worker ${refused[0]?.worker ?? "?"} did not see enough good probes in time`;
}

/** Whoever refused first has seen more than those who were told to stop then. */
function mostKnowing(refused: readonly WorkerPrepared[]): PrepareReport | null {
  const known = ({ backends: { good, bad } }: PrepareReport): number =>
    bad.length === 0 ? 0 : good.length + bad.length;
  return refused.reduce<PrepareReport | null>(
    (most, { report }) => (report !== null && (most === null || known(report) > known(most)) ? report : most),
    null,
  );
}

function ofPool({ probes, backends: { asked, needed, good, bad } }: PrepareReport): string {
  const last = new Map(probes.map((probe) => [probe.backend, probe]));
  const failed = [...last.values()].filter(({ ok }) => !ok);
  const ended = failed.filter(({ isCutShort }) => isCutShort !== true);
  const told = (ended.length > 0 ? ended : failed).slice(0, BACKENDS_NAMED);
  const more = Math.max(bad.length - told.length, 0);
  const named = told.map(withName).join("; ");
  const others = more === 0 ? "" : ` (and ${more} more)`;
  const asks = `ready_ratio asks for ${needed === asked ? "all" : needed}`;
  return `${named}${others}; ${good.length} of ${asked} backends passed, ${asks}`;
}

/** Named once: the words of a connection that failed name it too. */
function withName(probe: BackendProbe): string {
  return `${probe.backend}: ${saw(probe).replace(`cannot connect to ${probe.backend}: `, "")}`;
}

function saw(probe: BackendProbe): string {
  return probe.saw.slice(0, SAW_MAX_LENGTH);
}
