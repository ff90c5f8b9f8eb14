/**
 * A primary of the simulation: the real switcher, machine and store, on a disk in memory, with pipes to its workers.
 */
import type { Config } from "../../src/config/schema.ts";
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
}

export class SimPrimary {
  switcher: Switcher | null = null;
  store: FileStore | null = null;
  recovered: RecoveredState | null = null;
  isDead = false;
  /** It was told to end. */
  isEnding = false;
  /** SIGSTOP. */
  isStopped = false;
  /** What it has not read yet. */
  readonly inbox: WorkerReport[] = [];

  /** Opens its state; whoever kills it meanwhile leaves the promise unsettled. */
  async start({ config, disk, step, time, bootId, tell, kill, onChange }: PrimaryParts): Promise<void> {
    const { store, recovered } = await openStoreOn(disk.mount(step), {
      stateDir: STATE_DIR,
      versions: VERSIONS,
      clock: time.clock,
    });
    if (this.isDead) return;
    this.store = store;
    this.recovered = recovered;
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
  }

  /** Reads the next report. */
  readNext(): void {
    const report = this.inbox.shift();
    if (report !== undefined) this.switcher?.onWorker(report);
  }
}
