/**
 * Backend: the live state that one worker keeps of one backend: what runs on it now, and what is known of it.
 *
 * Lives as long as the primary names it, whatever is switched, so a version that is switched back to finds its
 * connections and its counts; and then until what runs on it has ended. Knows no sockets.
 */
import type { VersionConfig } from "../../config/pool-config.ts";
import type { BackendSnapshot, HealthVerdict } from "../../config/snapshot.ts";
import { Roster } from "../../core/roster.ts";
import type { Version } from "../../core/version.ts";
import type { LongRunning, RunningRequest } from "./running.ts";
import { Standing } from "./standing.ts";
import type { StandingEvent } from "./standing-events.ts";

/** What belongs to a version, and is counted with it. */
export interface OfVersion {
  readonly version: Version;
  /** Its place in the config and in the statistics, see record.ts. */
  readonly versionIndex: number;
}

/** Who picks among backends, and so must know of each change. */
export interface BackendOwner extends OfVersion {
  /** How its backends are judged. */
  readonly judging: Pick<VersionConfig, "outlier" | "breaker" | "slowStartMs">;
  /** A clock that never jumps. */
  nowMs(): number;
  /** One more of its backends may be ejected. */
  mayEject(): boolean;
  /** How many run on it has changed. */
  loadChanged(backend: Backend): void;
  readonly backends: readonly Backend[];
  /** Whether it is available, or how much of its weight counts, may have changed. */
  standingChanged(backend: Backend): void;
  onStanding(backend: Backend, event: StandingEvent): void;
}

export class Backend implements OfVersion {
  readonly version: Version;
  readonly versionIndex: number;
  readonly name: string;
  /** `http://host:port` */
  readonly origin: string;
  /** `host:port`, as `Host` names it. */
  readonly authority: string;
  readonly requests = new Roster<RunningRequest>();
  readonly tunnels: Set<LongRunning>;
  /** Of the requests, those whose answer is a stream of events that can end between two of them. */
  readonly streams = new Set<LongRunning>();
  /** Where it stands in its pool; -1: it has left. */
  row = -1;
  /** A connection to it could be made the last time that one was wanted, and none has broken off since. */
  isReachable = true;
  /** Of the requests, those that were tried before. */
  retries = 0;
  readonly standing: Standing;
  /** Attempts at it are told to its standing; without `outlier` and `breaker` nobody wants to know. */
  readonly isJudged: boolean;
  readonly #owner: BackendOwner;
  /** As it is known: a doubt that is not settled does not count. */
  #isKnownReachable = true;
  #snapshot: BackendSnapshot;

  constructor(snapshot: BackendSnapshot, owner: BackendOwner) {
    this.version = owner.version;
    this.versionIndex = owner.versionIndex;
    this.name = snapshot.name;
    this.origin = snapshot.origin;
    this.authority = new URL(snapshot.origin).host;
    this.#owner = owner;
    this.#snapshot = snapshot;
    this.tunnels = new CountedSet(() => this.#owner.loadChanged(this));
    this.isJudged = owner.judging.outlier !== null || owner.judging.breaker !== null;
    const told = {
      config: owner.judging,
      mayEject: () => owner.mayEject(),
      onChange: () => owner.standingChanged(this),
      onEvent: (event: StandingEvent) => owner.onStanding(this, event),
    };
    this.standing = new Standing(told, this);
  }

  /** Requests and tunnels. */
  get inFlight(): number {
    return this.requests.size + this.tunnels.size;
  }

  get weight(): number {
    return this.#snapshot.weight;
  }

  get addresses(): readonly string[] {
    return this.#snapshot.addresses;
  }

  /** By hand: it takes nothing new. */
  get isDrained(): boolean {
    return this.#snapshot.isDrained;
  }

  get health(): HealthVerdict {
    return this.#snapshot.health;
  }

  /** Itself, for what is done to all backends of something. */
  get backends(): readonly Backend[] {
    return [this];
  }

  /** Its pool has another one. */
  get hasOthers(): boolean {
    return this.#owner.backends.length > 1;
  }

  /** What the primary now knows of it. */
  take(snapshot: BackendSnapshot): void {
    const { health, isDrained } = this.#snapshot;
    this.#snapshot = snapshot;
    if (health !== snapshot.health || isDrained !== snapshot.isDrained) this.#learn();
  }

  begin(request: RunningRequest): void {
    this.requests.add(request);
    this.#owner.loadChanged(this);
  }

  end(request: RunningRequest): void {
    this.requests.delete(request);
    this.#owner.loadChanged(this);
  }

  /** It may be dead: it takes nothing until that is known; when it was not, it need not climb as one that comes back. */
  doubt(): void {
    this.isReachable = false;
    this.#owner.standingChanged(this);
  }

  setReachable(isReachable: boolean): void {
    this.isReachable = isReachable;
    this.#isKnownReachable = isReachable;
    this.#learn();
  }

  #learn(): void {
    const { health, isDrained } = this;
    this.standing.learn({ health, isDrained, isReachable: this.#isKnownReachable }, this.#owner.nowMs());
  }
}

/** A set that says when it has grown or shrunk. */
class CountedSet<T> extends Set<T> {
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    super();
    this.#onChange = onChange;
  }

  override add(member: T): this {
    super.add(member);
    this.#onChange();
    return this;
  }

  override delete(member: T): boolean {
    const wasHere = super.delete(member);
    if (wasHere) this.#onChange();
    return wasHere;
  }
}
