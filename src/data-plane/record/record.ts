/**
 * Record: counts how requests ended; the only place that does.
 *
 * Plain numbers in typed arrays, one set per version, read out when the primary asks: nothing is made per
 * request. Duration counts from the parsed head to the last byte handed to the client's socket.
 */
import type { ConnectionLimit } from "../../core/connection-count.ts";
import { type ForwardErrorCode, isRefusal } from "../../core/errors.ts";
import { DURATION_BUCKETS_SECONDS, METHOD_LABELS, type WorkerStats } from "../../telemetry/worker-stats.ts";
import type { OfVersion } from "../backend/backend.ts";

const LOWEST_CODE = 100;
const HIGHEST_CODE = 999; // all that fits into a status line: backends answer with more than the known classes
const CODES = HIGHEST_CODE - LOWEST_CODE + 1;
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(
  METHOD_LABELS.map((label, index) => [label, index]),
);
const OTHER = METHOD_LABELS.length - 1;
const BUCKETS_MS = Float64Array.from(DURATION_BUCKETS_SECONDS, (seconds) => seconds * 1_000);

export class Recorder {
  readonly #counts: Float64Array[]; // per version: method × code
  readonly #buckets: Float64Array[];
  readonly #sumMs: Float64Array;
  readonly #retries: Float64Array;
  readonly #errors: Map<string, number>[]; // keys are codes of our own table
  readonly #refusals = new Map<ForwardErrorCode, number>();
  readonly #refusedConnections = new Map<ConnectionLimit, number>();
  readonly #versions: readonly OfVersion[];

  /** @param versions in the order of the config. */
  constructor(versions: readonly OfVersion[]) {
    this.#versions = versions;
    this.#counts = versions.map(() => new Float64Array(METHOD_LABELS.length * CODES));
    this.#buckets = versions.map(() => new Float64Array(BUCKETS_MS.length + 1));
    this.#sumMs = new Float64Array(versions.length);
    this.#retries = new Float64Array(versions.length);
    this.#errors = versions.map(() => new Map());
  }

  /** @param code the status answered; 499 when the client left first. */
  request({ versionIndex: index }: OfVersion, method: string, code: number, durationMs: number): void {
    const counts = this.#counts[index];
    const buckets = this.#buckets[index];
    if (counts === undefined || buckets === undefined) return;
    if (!(code >= LOWEST_CODE && code <= HIGHEST_CODE)) return; // not a status: it would count as another one
    const slot = (METHOD_INDEX.get(method) ?? OTHER) * CODES + (code - LOWEST_CODE);
    counts[slot] = (counts[slot] ?? 0) + 1;
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && durationMs > (BUCKETS_MS[bucket] ?? 0)) bucket++;
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    this.#sumMs[index] = (this.#sumMs[index] ?? 0) + durationMs;
  }

  /** A failure on the way to or from the backend, by the name of its code. */
  upstreamError({ versionIndex }: OfVersion, reason: string): void {
    const errors = this.#errors[versionIndex];
    if (errors !== undefined) countOne(errors, reason);
  }

  /** A request was sent once more. */
  retry({ versionIndex }: OfVersion): void {
    this.#retries[versionIndex] = this.retriesOf({ versionIndex }) + 1;
  }

  retriesOf({ versionIndex }: Pick<OfVersion, "versionIndex">): number {
    return this.#retries[versionIndex] ?? 0;
  }

  /** A request that the proxy itself refused. A code that is no refusal counts nothing: see core/errors.ts. */
  refusal(code: ForwardErrorCode): void {
    if (isRefusal(code)) countOne(this.#refusals, code);
  }

  /** A client's connection that was one too many for `limit`. */
  refusedConnection(limit: ConnectionLimit): void {
    countOne(this.#refusedConnections, limit);
  }

  read(): Pick<WorkerStats, "requests" | "durations" | "upstreamErrors" | "refusals" | "refusedConnections"> {
    return {
      requests: this.#versions.flatMap(({ version, versionIndex: index }) => {
        const found: { version: string; method: string; code: number; count: number }[] = [];
        this.#counts[index]?.forEach((count, slot) => {
          if (count === 0) return;
          const method = METHOD_LABELS[Math.floor(slot / CODES)] ?? "OTHER";
          found.push({ version, method, code: LOWEST_CODE + (slot % CODES), count });
        });
        return found;
      }),
      durations: this.#versions.map(({ version, versionIndex: index }) => {
        const buckets = [...(this.#buckets[index] ?? [])];
        const count = buckets.reduce((sum, each) => sum + each, 0);
        return { version, buckets, sumSeconds: (this.#sumMs[index] ?? 0) / 1_000, count };
      }),
      upstreamErrors: this.#versions.flatMap(({ version, versionIndex: index }) =>
        [...(this.#errors[index] ?? [])].map(([reason, count]) => ({ version, reason, count })),
      ),
      refusals: [...this.#refusals].map(([code, count]) => ({ reason: code.toLowerCase(), count })),
      refusedConnections: [...this.#refusedConnections].map(([reason, count]) => ({ reason, count })),
    };
  }
}

function countOne<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
