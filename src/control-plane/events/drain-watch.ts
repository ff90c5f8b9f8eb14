/**
 * Drain watch: follows what still runs on versions that were left, and says so until nothing does.
 *
 * Runs in the primary, a look a second. While nothing drains a look costs nothing: the workers are asked only
 * when there is something to ask. Ends no request; the workers do.
 */
import type { Clock } from "../../core/clock.ts";
import type { Version } from "../../core/version.ts";
import type { WorkerStats } from "../../telemetry/worker-stats.ts";
import type { DrainFigures, EventSink } from "./events.ts";

const LOOK_INTERVAL_MS = 1_000;
/** A worker that stays silent longer counts with what it last said. */
const COLLECT_TIMEOUT_MS = 300;
/** How long after its deadline a drain is followed: by then the workers have cut what was left. */
const AFTERMATH_MS = 5_000;

/** A version that was left; moments of the monotonic clock. */
interface Drain {
  readonly version: Version;
  readonly startedAtMs: number;
  readonly deadlineAtMs: number;
}

interface Watched extends Drain {
  /** What was last said. */
  figures: DrainFigures | null;
  isDone: boolean;
}

export interface DrainSources {
  readonly events: EventSink;
  readonly clock: Clock;
  readonly switchView: () => { readonly activeVersion: Version; readonly drains: readonly Drain[] };
  readonly collect: (
    timeoutMs: number,
  ) => Promise<{ readonly stats: ReadonlyMap<number, WorkerStats>; readonly silent: readonly number[] }>;
  /** Whether anybody reads: only then are figures repeated that have not changed. */
  readonly hasReaders: () => boolean;
}

export class DrainWatch {
  readonly #sources: DrainSources;
  readonly #watched = new Map<Version, Watched>();

  constructor(sources: DrainSources) {
    this.#sources = sources;
  }

  /** Looks every second, as long as the process lives; does not keep it alive. */
  start(): void {
    setInterval(() => void this.look(), LOOK_INTERVAL_MS).unref();
  }

  /** Never rejects. */
  async look(): Promise<void> {
    this.#takeUp();
    const followed = [...this.#watched.values()].filter(({ isDone }) => !isDone);
    if (followed.length === 0) return;
    const { stats, silent } = await this.#sources.collect(COLLECT_TIMEOUT_MS);
    this.#takeUp(); // a switch may have gone back to one of them meanwhile
    for (const drain of followed) {
      if (this.#watched.get(drain.version) === drain)
        this.#judge(drain, [...stats.values()], silent.length > 0);
    }
  }

  /** Every drain that began since; a version that is active again no longer drains. */
  #takeUp(): void {
    const { activeVersion, drains } = this.#sources.switchView();
    this.#watched.delete(activeVersion);
    for (const drain of drains) {
      if (this.#watched.get(drain.version)?.startedAtMs === drain.startedAtMs) continue;
      this.#watched.set(drain.version, { ...drain, figures: null, isDone: false });
    }
  }

  #judge(drain: Watched, stats: readonly WorkerStats[], isPartial: boolean): void {
    const { events, clock, hasReaders } = this.#sources;
    const { version } = drain;
    const figures = figuresOf(version, stats);
    if (isNothing(figures) && !isPartial) {
      drain.isDone = true;
      events.publish({ type: "drained", version });
      return;
    }
    const remainingMs = drain.deadlineAtMs - clock.nowMs();
    if (remainingMs < -AFTERMATH_MS) drain.isDone = true;
    if (!hasReaders() && isSame(figures, drain.figures)) return;
    drain.figures = figures;
    const deadline_at = new Date(clock.wallMs() + remainingMs).toISOString();
    events.publish({ type: "drain", version, ...figures, deadline_at });
  }
}

function figuresOf(version: Version, stats: readonly WorkerStats[]): DrainFigures {
  const running = stats.flatMap(({ versions }) => versions.filter((each) => each.version === version));
  return {
    in_flight: running.reduce((total, { inFlight }) => total + inFlight, 0),
    streams: running.reduce((total, { streams }) => total + streams, 0),
    upgraded: running.reduce((total, { upgraded }) => total + upgraded, 0),
  };
}

function isNothing({ in_flight, upgraded }: DrainFigures): boolean {
  return in_flight + upgraded === 0;
}

function isSame(one: DrainFigures, other: DrainFigures | null): boolean {
  return (
    one.in_flight === other?.in_flight && one.streams === other.streams && one.upgraded === other.upgraded
  );
}
