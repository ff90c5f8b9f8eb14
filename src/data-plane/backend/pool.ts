/**
 * Pool: the backends of one version in one worker, and which of them a request goes to.
 *
 * Whether a backend is available, and with how much of its weight, is judged (judging.ts) when something has changed,
 * never per request; the balancer reads the numbers. Knows no sockets.
 */
import type { VersionConfig } from "../../config/pool-config.ts";
import type { PoolSnapshot } from "../../config/snapshot.ts";
import type { Version } from "../../core/version.ts";
import { Backend, type BackendOwner } from "./backend.ts";
import type { Balancer, KeyHash } from "./candidates.ts";
import { Columns } from "./columns.ts";
import { canSpareOne, judgeAll, restoreSurplus } from "./judging.ts";
import { type MembersChange, takeMembers } from "./members.ts";
import type { StandingEvent } from "./standing-events.ts";
import { Sticky } from "./sticky.ts";

/** What an operator wants to read in the log. */
export interface PoolWatch {
  onStanding(backend: Backend, event: StandingEvent): void;
  /** At most once a second. */
  onMood(version: Version, mood: PoolMood): void;
}

/**
 * How a pool does: its fit backends are used, none is fit and all are used all the same, or none takes a request. Full
 * ones are fit.
 */
export type PoolMood = "serving" | "panicking" | "shut";

export interface PoolOptions {
  readonly config: VersionConfig;
  /** Its place in the config. */
  readonly versionIndex: number;
  readonly balancer: Balancer;
  /** What the balancer hashes of a request; when left out, nothing. */
  readonly keyHash?: KeyHash;
  /** Whether the balancer wants to know how soon answers begin. */
  readonly needsLatency: boolean;
  /** Of one backend, in this worker; Infinity: none. */
  readonly maxInFlight: number;
  /** Likewise, of requests that were tried before. */
  readonly maxRetries: number;
  /** A clock that never jumps, ms. */
  readonly nowMs: () => number;
  readonly watch: PoolWatch;
}

/** The newest answer's part of the latency; a tenth forgets an old one within some 20 answers. */
const LATENCY_PART = 0.1;

export class Pool implements BackendOwner {
  readonly version: Version;
  readonly versionIndex: number;
  readonly needsLatency: boolean;
  /** null: the balancer goes by no key, and each has 0. */
  readonly keyHash: KeyHash | null;
  /** null: no cookie ties a client to a backend. */
  readonly sticky: Sticky | null;
  /** No backend is fit, and all are used all the same. */
  isPanicking = false;
  readonly #options: PoolOptions;
  #backends: readonly Backend[] = [];
  #columns = new Columns([]);
  /** What each row would have if it were not full. */
  #judged = new Float64Array(0);
  /** Several changes come at once: they are judged together, after the last of them. */
  #isChanging = false;
  #moodWas: PoolMood = "serving";
  /** Nothing to choose: the usual case of a version in the short form costs nothing. */
  #only: Backend | null = null;
  #epoch = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.version = options.config.version;
    this.versionIndex = options.versionIndex;
    this.needsLatency = options.needsLatency;
    this.keyHash = options.keyHash ?? null;
    const { sticky, version } = options.config;
    this.sticky = sticky === null ? null : new Sticky(sticky, version);
  }

  get judging(): VersionConfig {
    return this.#options.config;
  }

  get backends(): readonly Backend[] {
    return this.#backends;
  }

  /** What counts of a backend's weight now; 0: not available. */
  weightOf({ row }: Backend): number {
    return this.#columns.weights[row] ?? 0;
  }

  /** How many more a backend takes now; Infinity: as many as come. */
  roomOf(backend: Backend): number {
    return this.weightOf(backend) > 0 ? this.#options.maxInFlight - backend.inFlight : 0;
  }

  /** @param keyHash see candidates.ts. @returns null: none is available. */
  pick(keyHash: number): Backend | null {
    if (this.#only !== null) return this.#only;
    return this.#backends[this.#options.balancer.pick(this.#columns, keyHash)] ?? null;
  }

  get maxRetries(): number {
    return this.#options.maxRetries;
  }

  /** For a retry: another one than those that were tried, with room for it. @returns null: there is none. */
  pickOther(tried: readonly Backend[], keyHash: number): Backend | null {
    const { weights } = this.#columns;
    const left = [...tried, ...this.#backends.filter(({ retries }) => retries >= this.maxRetries)];
    const kept = left.map(({ row }) => weights[row] ?? 0);
    for (const { row } of left) if (row !== -1) weights[row] = 0;
    const other = this.#backends[this.#options.balancer.pick(this.#columns, keyHash)] ?? null;
    left.forEach(({ row }, i) => {
      if (row !== -1) weights[row] = kept[i] ?? 0;
    });
    return other;
  }

  /** What the primary now knows of its backends. */
  apply({ backends }: PoolSnapshot): MembersChange {
    this.#isChanging = true;
    const hadMembers = this.#backends.length > 0;
    const { backends: members, change } = takeMembers(this.#backends, backends, (snapshot) => {
      const backend = new Backend(snapshot, this);
      if (hadMembers) backend.standing.warm(this.nowMs());
      return backend;
    });
    this.#backends = members;
    for (const backend of change.left) backend.row = -1;
    this.#takeRows();
    restoreSurplus(this.#backends, this.#options.config.outlier, this.nowMs());
    this.#isChanging = false;
    this.#judgeAll();
    return change;
  }

  /** Verdicts come often, and change no row: the balancer, whose preparation may be long, is not told of them. */
  #takeRows(): void {
    const { names, configuredWeights } = this.#columns;
    const isSame =
      names.length === this.#backends.length &&
      this.#backends.every(
        ({ name, weight, row }, at) => row === at && names[at] === name && configuredWeights[at] === weight,
      );
    if (isSame) return;
    this.#backends.forEach((backend, row) => {
      backend.row = row;
    });
    this.#columns = new Columns(this.#backends, this.#columns);
    this.#judged = new Float64Array(this.#backends.length);
    this.#options.balancer.reset(this.#columns);
    this.sticky?.renew(this.#epoch, this.#backends);
  }

  /** A switch is in force: what tied a client to a backend before it no longer does. */
  beginEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.sticky?.renew(epoch, this.#backends);
  }

  loadChanged(backend: Backend): void {
    const { row } = backend;
    if (row === -1) return;
    const columns = this.#columns;
    columns.inFlight[row] = backend.inFlight;
    if (this.#options.maxInFlight !== Number.POSITIVE_INFINITY) this.#fill(row);
  }

  standingChanged({ row }: Backend): void {
    if (row !== -1 && !this.#isChanging) this.#judgeAll();
  }

  onStanding(backend: Backend, event: StandingEvent): void {
    if (backend.row !== -1) this.#options.watch.onStanding(backend, event);
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  mayEject(): boolean {
    return canSpareOne(this.#backends, this.#options.config.outlier);
  }

  /** To be called once a second: what only time changes. */
  tick(nowMs: number): void {
    const { outlier, breaker, slowStartMs } = this.#options.config;
    if (outlier !== null || breaker !== null || slowStartMs > 0) {
      this.#isChanging = true;
      for (const { standing } of this.#backends) standing.tick(nowMs);
      this.#isChanging = false;
      this.#judgeAll();
    }
    const mood = this.#mood;
    if (mood === this.#moodWas) return;
    this.#moodWas = mood;
    this.#options.watch.onMood(this.version, mood);
  }

  /** How long it took to begin an answer, from when the request was sent. */
  noteLatency({ row }: Backend, ms: number): void {
    const { latencyMs } = this.#columns;
    const before = latencyMs[row];
    if (before === undefined) return;
    latencyMs[row] = before === 0 ? ms : before + (ms - before) * LATENCY_PART;
  }

  get #mood(): PoolMood {
    if (this.isPanicking) return "panicking";
    return this.#judged.some((weight) => weight > 0) ? "serving" : "shut";
  }

  #judgeAll(): void {
    const usesAll = this.#options.config.whenAllUnhealthy === "use-all";
    this.isPanicking = judgeAll(this.#judged, this.#backends, usesAll, this.nowMs());
    this.#judged.forEach((_, row) => {
      this.#fill(row);
    });
    this.#settleOnly();
  }

  /** One that is full takes nothing more, and is asked nothing. */
  #fill(row: number): void {
    const { weights, inFlight } = this.#columns;
    const isFull = (inFlight[row] ?? 0) >= this.#options.maxInFlight;
    weights[row] = isFull ? 0 : (this.#judged[row] ?? 0);
  }

  #settleOnly(): void {
    const [first, ...others] = this.#backends;
    const isLimited = this.#options.maxInFlight !== Number.POSITIVE_INFINITY;
    const isUsable = first !== undefined && (this.#judged[0] ?? 0) > 0;
    this.#only = isUsable && !isLimited && others.length === 0 ? first : null;
  }
}
