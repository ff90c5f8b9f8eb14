/**
 * A primary of the simulation: the real switcher, machine, desk of backends and store, on a disk in memory, with pipes
 * to its workers.
 */
import type { Config } from "../../src/config/schema.ts";
import { BackendDesk } from "../../src/control-plane/pools/backend-desk.ts";
import type { Changes } from "../../src/control-plane/pools/changes.ts";
import { Pools } from "../../src/control-plane/pools/pools.ts";
import { type FileStore, openStoreOn } from "../../src/control-plane/switch/file-store.ts";
import type { RecoveredState } from "../../src/control-plane/switch/state-store.ts";
import { Switcher, type SwitchObserver } from "../../src/control-plane/switch/switcher.ts";
import type { WorkerReport } from "../../src/control-plane/workers/fleet.ts";
import type { SwitchOrder } from "../../src/ipc/messages.ts";
import type { SimDisk, Step } from "./sim-disk.ts";
import type { SimTime } from "./sim-time.ts";

export const STATE_DIR = "/state";
export const VERSIONS = ["v1", "v2", "v3"];

export interface PrimaryParts {
  readonly config: Config;
  readonly disk: SimDisk;
  readonly step: Step;
  readonly time: SimTime;
  readonly bootId: string;
  tell(pid: number, order: SwitchOrder): void;
  kill(pid: number): void;
  readonly onChange: SwitchObserver["changed"];
  /** The changes of backends that are being written. */
  readonly onWrite: (after: Changes) => void;
}

export class SimPrimary {
  switcher: Switcher | null = null;
  store: FileStore | null = null;
  recovered: RecoveredState | null = null;
  changes: Changes | null = null;
  desk: BackendDesk | null = null;
  pools: Pools | null = null;
  isDead = false;
  /** It was told to end. */
  isEnding = false;
  /** SIGSTOP. */
  isStopped = false;
  /** What it has not read yet. */
  readonly inbox: WorkerReport[] = [];

  /** Opens its state; whoever kills it meanwhile leaves the promise unsettled. */
  async start(parts: PrimaryParts): Promise<void> {
    const { config, disk, step, time, bootId, tell, kill, onChange } = parts;
    const { store, recovered, changes } = await openStoreOn(disk.mount(step), {
      stateDir: STATE_DIR,
      versions: VERSIONS,
      clock: time.clock,
    });
    if (this.isDead) return;
    this.store = store;
    this.recovered = recovered;
    this.changes = changes;
    const silent = (): void => {};
    this.switcher = new Switcher({
      config,
      fleet: { tell, kill },
      store,
      recovered,
      clock: time.clock,
      after: (ms, run) => time.after(this, ms, run),
      bootId,
      log: { info: silent, warn: silent, error: silent },
      observe: { switchEnded: silent, changed: onChange },
    });
    this.#openDesk(parts, store, changes);
  }

  #openDesk({ config, time, bootId, onWrite }: PrimaryParts, store: FileStore, changes: Changes): void {
    const silent = (): void => {};
    const after = (ms: number, run: () => void): (() => void) => time.after(this, ms, run);
    this.pools = new Pools({ versions: config.backends, after, onChange: silent, onCut: silent });
    this.desk = new BackendDesk({
      versions: config.backends,
      changes,
      pools: this.pools,
      store: {
        history: (limit, kind) => store.history(limit, kind),
        appendBackends: (entry, write, signal) => {
          onWrite(write.after);
          return store.appendBackends(entry, write, signal);
        },
      },
      takenUp: async () => [],
      switchPhase: () => this.switcher?.status().phase ?? "idle",
      isEnding: () => this.isEnding,
      clock: time.clock,
      bootId,
      writeLimitMs: config.switch.persistTimeoutMs,
      after,
      events: { publish: silent },
      log: { info: silent },
    });
  }

  /** Reads the next report. */
  readNext(): void {
    const report = this.inbox.shift();
    if (report !== undefined) this.switcher?.onWorker(report);
  }
}
