/**
 * The world of one simulated run: a primary, its workers, a disk, clients and an operator, put in any order that
 * processes, pipes, disks and clocks allow, by one seeded scheduler.
 *
 * The code under test is the real one (switcher, machine, store, serving, hold, switch orders); what is simulated is
 * what lies between: pipes that deliver late, disk calls that take their time and tear, processes that are killed or
 * stopped at any point, a wall clock that is set. Each step does one thing, and every promise is looked at after each.
 */
import { versionOfOne } from "../../src/config/pool-config.ts";
import type { Config } from "../../src/config/schema.ts";
import type { BackendsAnswer } from "../../src/control-plane/pools/backend-desk.ts";
import type { BackendsCall } from "../../src/control-plane/pools/backends-call.ts";
import { type Changes, NO_CHANGES } from "../../src/control-plane/pools/changes.ts";
import { openStoreOn } from "../../src/control-plane/switch/file-store.ts";
import type { PauseAnswer, SwitchAnswer } from "../../src/control-plane/switch/switch-answer.ts";
import type { CallContext } from "../../src/control-plane/switch/switch-event.ts";
import type { SwitchObserver } from "../../src/control-plane/switch/switcher.ts";
import type { WorkerReport } from "../../src/control-plane/workers/fleet.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { SwitchOrder } from "../../src/ipc/messages.ts";
import { Random } from "../load/random.ts";
import { ChangesTruth } from "./changes-truth.ts";
import { type SimCall, SimDisk, systemError } from "./sim-disk.ts";
import { SimPrimary, STATE_DIR, VERSIONS } from "./sim-primary.ts";
import { SimTime } from "./sim-time.ts";
import { type SimRequest, SimWorker } from "./sim-worker.ts";
import { entriesOf, INVARIANTS, START_VERSION, Truth, Violation } from "./truth.ts";

const WORKERS = 2;
const GAP_MS = 600_000;
const HOLD_MS = 2_000;
const HISTORY = ".history.jsonl";
const BACKENDS = ".backends.json";
/** Half of a hold; the commit has longer. */
const LEAST_TO_ACKNOWLEDGE_MS = 1_000;
/** What a worker may take to be born again. */
const RESPAWN_MS = 100;

export interface Plan {
  readonly seed: number;
  /** Operator's calls. */
  readonly calls: number;
  /** Kills and stops of processes. */
  readonly faults: number;
}

interface Step {
  readonly weight: number;
  readonly run: () => void;
}

interface Call {
  readonly kind: "switch" | "rollback" | "fail-over" | "dry-run" | "pause" | "resume";
  readonly to: string;
  readonly force: boolean;
  readonly isExpectationWrong: boolean;
  readonly key: string | null;
  readonly isHeld: boolean;
  /** When its switch began: one that waits for a change of backends has not. */
  startedTrueMs: number;
  readonly epochBefore: number;
}

type Change = Parameters<SwitchObserver["changed"]>[0];

/** Of all runs; in the others most writes end within their time limit. */
const SLOW_DISKS = 0.15;
/** Of the calls of a daemon that runs. */
const DISK_ERRORS = 0.003;
const PAUSES_MS = [20, 500, 3_000, 10_000];

/** Enough for every call to end; a run that needs more hangs. */
const MOST_STEPS = 20_000;

export class World {
  readonly #random: Random;
  readonly #time = new SimTime();
  readonly #disk = new SimDisk(STATE_DIR);
  readonly #truth = new Truth();
  readonly #changes = new ChangesTruth();
  readonly #config: Config;
  #primary: SimPrimary | null = null;
  #workers: SimWorker[] = [];
  #births: { readonly slot: number; readonly atMs: number }[] = [];
  #diskWaits: (() => void)[] = [];
  /** By version; the backends of a version may be down. */
  readonly #isUp = new Map<string, boolean>(VERSIONS.map((version) => [version, true]));
  #open = new Set<Call>();
  #callsLeft: number;
  #changesLeft: number;
  #faultsLeft: number;
  #trueMs = 0;
  #boots = 1;
  #lastPid = 100;
  /** What the primary that lives, or lived last, is writing. */
  #inFlight: { readonly to: readonly string[]; readonly sinceMs: number } | null = null;
  #failure: unknown = null;
  #holdBeganAtMs = 0;
  #hasPrimaryStoodStill = false;
  /** A disk that takes so long that writes are given up. */
  readonly #isDiskSlow: boolean;
  /** For the report of a seed that failed. */
  readonly log: string[] = [];
  readonly counts = {
    switched: 0,
    refused: 0,
    changed: 0,
    requests: 0,
    held: 0,
    primaryDeaths: 0,
    workerDeaths: 0,
    killedSilent: 0,
    diskErrors: 0,
    ends: 0,
  };

  constructor({ seed, calls, faults }: Plan) {
    this.#random = new Random(seed);
    this.#isDiskSlow = this.#random.chance(SLOW_DISKS);
    this.#callsLeft = calls;
    this.#changesLeft = calls;
    this.#faultsLeft = faults;
    this.#config = simConfig();
  }

  /** Runs until nothing is left to happen. @throws Violation, or whatever broke. */
  async run(): Promise<void> {
    this.#startPrimary();
    for (let steps = 0; ; steps++) {
      await settled();
      if (this.#failure !== null) throw this.#failure;
      const step = this.#choose();
      if (step === null) break;
      if (steps >= MOST_STEPS) throw new Error(`still not over after ${MOST_STEPS} steps`);
      step.run();
      this.#look();
    }
    await this.#lookAtTheEnd();
  }

  #choose(): Step | null {
    const steps = [
      ...this.#messages(),
      ...this.#disks(),
      ...this.#timers(),
      ...this.#lives(),
      ...this.#clients(),
    ];
    steps.push(...this.#operator(), ...this.#faults());
    const later = this.#passTime();
    if (steps.length === 0) return later;
    steps.push({ weight: 0.5, run: () => this.#advance(this.#random.between(1, 50)) });
    const isWriting = this.#diskWaits.length > 0 && !this.#isDiskSlow;
    if (later !== null) steps.push({ ...later, weight: isWriting ? 0.002 : 0.1 });
    return this.#random.pick(steps);
  }

  // ── what may happen next ────────────────────────────────────────────────────────────────────────

  #messages(): Step[] {
    const steps: Step[] = [];
    const primary = this.#primary;
    for (const worker of this.#workers) {
      if (worker.isDead || worker.isStopped) continue;
      if (worker.inbox.length > 0 && !worker.isEnding) {
        steps.push({ weight: 6, run: () => this.#say(`worker ${worker.pid} obeys`, worker.obeyNext()) });
      }
      for (const probe of worker.probes) {
        steps.push({ weight: 4, run: () => this.#answerProbe(worker, probe) });
      }
    }
    if (primary === null) return steps;
    for (const worker of this.#workers) {
      if (worker.isEnding || worker.outbox.length === 0) continue;
      steps.push({ weight: 6, run: () => this.#carry(primary, worker) });
    }
    if (!primary.isStopped && primary.inbox.length > 0) {
      steps.push({ weight: 8, run: () => primary.readNext() });
    }
    return steps;
  }

  #answerProbe(worker: SimWorker, probe: { readonly version: string; answer(passed: boolean): void }): void {
    const isUp = this.#isUp.get(probe.version) === true;
    this.#say(`worker ${worker.pid} probes ${probe.version}: ${isUp}`);
    probe.answer(isUp);
  }

  #carry(primary: SimPrimary, worker: SimWorker): void {
    const answer = worker.outbox.shift();
    if (answer !== undefined) primary.inbox.push({ pid: worker.pid, ...answer } as WorkerReport);
  }

  #disks(): Step[] {
    if (this.#primary?.isStopped === true) return [];
    return this.#diskWaits.map((go, at) => ({
      weight: this.#isDiskSlow ? 5 : 25,
      run: () => {
        this.#diskWaits.splice(at, 1);
        go();
      },
    }));
  }

  /** The primary reads what has come before it looks at the time; see startTimer of switcher.ts. */
  #timers(): Step[] {
    return this.#time.due((owner) => this.#runsTimers(owner)).map((run) => ({ weight: 3, run }));
  }

  #runsTimers(owner: object): boolean {
    return this.#runs(owner) && (owner !== this.#primary || this.#primary.inbox.length === 0);
  }

  #runs(owner: object): boolean {
    if (owner instanceof SimWorker) return !owner.isDead && !owner.isStopped;
    return owner === this.#primary && !this.#primary.isStopped;
  }

  /** Births and ends of processes. */
  #lives(): Step[] {
    const steps: Step[] = [];
    const primary = this.#primary;
    if (primary === null) {
      const orphans = this.#workers.filter(({ isDead, isEnding }) => !isDead && !isEnding);
      for (const orphan of orphans) {
        if (orphan.isStopped)
          steps.push({ weight: 1, run: () => this.#endWorker(orphan, "killed by the operator") });
        else steps.push({ weight: 2, run: () => this.#orphanEnds(orphan) });
      }
      // The port is free again only when no orphan takes anything new.
      if (orphans.length === 0) steps.push({ weight: 2, run: () => this.#startPrimary() });
      return steps;
    }
    const { switcher } = primary;
    if (primary.isStopped) steps.push({ weight: 1, run: () => this.#goOn(primary) });
    for (const worker of this.#workers) {
      if (worker.isDead || worker.isEnding) continue;
      if (worker.isStopped) steps.push({ weight: 0.3, run: () => this.#goOn(worker) });
      else if (!worker.isListening) steps.push({ weight: 3, run: () => this.#listens(primary, worker) });
    }
    const now = this.#time.clock.nowMs();
    for (const birth of this.#births) {
      if (switcher === null || primary.isStopped || birth.atMs > now) continue;
      steps.push({ weight: 3, run: () => this.#born(primary, birth.slot) });
    }
    return steps;
  }

  #goOn(process: { isStopped: boolean }): void {
    this.#say("a stopped process goes on");
    process.isStopped = false;
  }

  #born(primary: SimPrimary, slot: number): void {
    this.#births = this.#births.filter((each) => each.slot !== slot);
    this.#lastPid++;
    const birth = primary.switcher?.workerBorn(this.#lastPid, slot);
    if (birth === undefined) return;
    this.#say(`worker ${this.#lastPid} is born in slot ${slot}`, birth);
    this.#workers.push(new SimWorker(this.#lastPid, slot, birth, this.#config, this.#time));
  }

  #listens(primary: SimPrimary, worker: SimWorker): void {
    worker.isListening = true;
    primary.inbox.push({ type: "worker-listening", pid: worker.pid });
  }

  #clients(): Step[] {
    const steps: Step[] = [];
    const isBusy = this.#open.size > 0 || this.#callsLeft > 0;
    for (const worker of this.#workers) {
      if (worker.acceptsRequests && isBusy) steps.push({ weight: 2, run: () => this.#request(worker) });
      if (worker.isDead || worker.isStopped) continue;
      for (const request of worker.running) {
        steps.push({ weight: 2, run: () => void worker.running.delete(request) });
      }
      if (worker.hold.isOn) continue;
      for (const request of worker.waiting)
        steps.push({ weight: 4, run: () => this.#start(worker, request) });
    }
    return steps;
  }

  #request(worker: SimWorker): void {
    const request: SimRequest = { askedAtMs: this.#time.clock.nowMs(), epoch: null };
    this.counts.requests++;
    if (worker.hold.isOn) {
      this.counts.held++;
      worker.waiting.add(request);
    } else this.#start(worker, request);
  }

  #start(worker: SimWorker, request: SimRequest): void {
    worker.waiting.delete(request);
    request.epoch = worker.epoch;
    const { version } = worker.serving.current.active;
    if (this.#truth.versions.get(worker.epoch) !== version) {
      throw new Violation(
        INVARIANTS.allOrNone,
        `worker ${worker.pid} serves ${version} at epoch ${worker.epoch}`,
      );
    }
    this.#truth.served(worker.epoch, this.#isOrphan(worker) || this.#isOutOfReach(worker));
    worker.running.add(request);
  }

  #isOrphan(worker: SimWorker): boolean {
    return this.#primary === null || worker.isEnding;
  }

  /**
   * The one gap of a hold: the primary stands still for longer than half of it, so that nobody kills this worker, which
   * has not even read that it is to hold when the hold of another runs out.
   */
  #isOutOfReach(worker: SimWorker): boolean {
    const isLate = this.#time.clock.nowMs() - this.#holdBeganAtMs > HOLD_MS / 2;
    const hasUnread = worker.inbox.some((order) => order.type === "hold" && order.next !== null);
    return isLate && hasUnread && this.#hasPrimaryStoodStill;
  }

  // ── the operator ────────────────────────────────────────────────────────────────────────────────

  #operator(): Step[] {
    const switcher = this.#primary?.switcher ?? null;
    if (switcher === null || this.#primary?.isStopped === true || this.#callsLeft <= 0) return [];
    const random = this.#random;
    return [
      { weight: this.#open.size === 0 ? 0.5 : 0.06, run: () => this.#call() },
      { weight: this.#changesLeft > 0 ? 0.3 : 0, run: () => this.#changeBackends() },
      { weight: 0.006, run: () => this.#endPrimary() },
      { weight: 0.2, run: () => this.#flip() },
      { weight: 0.3, run: () => this.#wait(random.between(1, GAP_MS + 60_000)) },
      { weight: 0.1, run: () => this.#jumpWall() },
    ];
  }

  #flip(): void {
    const version = VERSIONS[this.#random.between(0, VERSIONS.length - 1)] ?? START_VERSION;
    const isUp = this.#random.chance(0.7);
    this.#say(`${version} is ${isUp ? "up" : "down"}`);
    this.#isUp.set(version, isUp);
  }

  /** Only while nothing runs: else every time limit would pass at once. */
  #wait(ms: number): void {
    const isQuiet = this.#time.untilNextMs((owner) => this.#runs(owner)) === null;
    const waits = this.#workers.some(({ waiting }) => waiting.size > 0);
    if (this.#open.size === 0 && isQuiet && !waits) this.#advance(ms);
  }

  #jumpWall(): void {
    this.#time.clock.jumpWall(this.#random.between(-7_200_000, 7_200_000));
    this.#truth.noteWallJump(this.#trueMs);
  }

  #call(): void {
    const switcher = this.#primary?.switcher;
    if (switcher === null || switcher === undefined) return;
    this.#callsLeft--;
    const random = this.#random;
    const { activeVersion, epoch } = switcher.snapshot();
    const others = VERSIONS.filter((version) => version !== activeVersion);
    const kind = random.pick([
      { weight: 10, is: "switch" as const },
      { weight: 4, is: "rollback" as const },
      { weight: 1, is: "fail-over" as const },
      { weight: 2, is: "dry-run" as const },
      { weight: 1, is: "pause" as const },
      { weight: 1, is: "resume" as const },
    ]).is;
    const isOperators = kind !== "fail-over"; // the daemon's own expects nothing and has no key
    const call: Call = {
      kind,
      to: others[random.between(0, others.length - 1)] ?? START_VERSION,
      force: random.chance(0.4),
      isExpectationWrong: isOperators && random.chance(0.1),
      key: isOperators && random.chance(0.4) ? `key-${random.between(1, 3)}` : null,
      isHeld: random.chance(0.4),
      startedTrueMs: this.#trueMs,
      epochBefore: epoch,
    };
    this.#open.add(call);
    this.#say("call", call);
    const primary = this.#primary;
    const settle = (what: () => void): void => {
      if (this.#primary !== primary || primary?.isDead === true) return;
      this.#open.delete(call);
      this.#notice(what);
    };
    const begin = (): Promise<SwitchAnswer | PauseAnswer> => {
      call.startedTrueMs = this.#trueMs;
      return this.#send(switcher, call);
    };
    const isSwitch = kind !== "pause" && kind !== "resume";
    const sent = isSwitch ? primary?.desk?.beforeSwitch(begin) : begin();
    void sent?.then(
      (answer) => settle(() => this.#answered(call, answer)),
      (error: unknown) => settle(() => this.#refused(call, error)),
    );
  }

  /** Anything that may be said of a few backends that every version may have, or of all. */
  #changeBackends(): void {
    const primary = this.#primary;
    const random = this.#random;
    this.#changesLeft--;
    const action = random.pick([
      { weight: 6, is: "add" as const },
      { weight: 2, is: "remove" as const },
      { weight: 3, is: "drain" as const },
      { weight: 2, is: "enable" as const },
      { weight: 2, is: "weight" as const },
      { weight: 1, is: "reset" as const },
    ]).is;
    const isOfAll = action === "reset" && random.chance(0.5);
    const call: BackendsCall = {
      version: VERSIONS[random.between(0, VERSIONS.length - 1)] ?? START_VERSION,
      backend: isOfAll ? null : `http://10.0.0.${random.between(1, 3)}:9000`,
      action,
      weight: action === "weight" ? random.between(1, 3) : null,
      reason: null,
      force: false,
    };
    this.#say("change of backends", call);
    const settle = (what: () => void): void => {
      if (this.#primary === primary && primary?.isDead === false) this.#notice(what);
    };
    void primary?.desk?.change(call, "operator").then(
      (answer) => settle(() => this.#backendsChanged(answer)),
      (error: unknown) => settle(() => this.#backendsRefused(error)),
    );
  }

  #backendsChanged({ changed, message }: BackendsAnswer): void {
    this.#say(`changed: ${message}`);
    if (!changed) return;
    this.counts.changed++;
    this.#changes.answered(this.#disk.peek(BACKENDS));
    this.#truth.noteHistory(this.#disk.peek(HISTORY) ?? "");
  }

  #backendsRefused(error: unknown): void {
    if (!(error instanceof ProxyError)) throw error;
    this.#say(`not changed: ${error.code}: ${error.message}`);
    this.#changes.refused(error.message);
  }

  #send(
    switcher: NonNullable<SimPrimary["switcher"]>,
    { kind, to, force, isExpectationWrong, key, isHeld }: Call,
  ): Promise<SwitchAnswer | PauseAnswer> {
    if (kind === "pause") {
      const forMs = PAUSES_MS[this.#random.between(0, PAUSES_MS.length - 1)] ?? 0;
      return switcher.pause({ forMs, reason: null }, "operator");
    }
    if (kind === "fail-over") return switcher.failOver(to, "it is dead");
    if (kind === "resume") return switcher.resume("operator");
    const expect = isExpectationWrong ? { epoch: 999_999 } : null;
    const holdMs = isHeld ? HOLD_MS : 0;
    const body = { force, reason: force ? "drill" : null, expect, holdMs };
    const context: CallContext = {
      actor: "operator",
      idempotencyKey: key,
      bodyDigest: digestOf({ kind, to }),
    };
    if (kind === "rollback") return switcher.rollback(body, context);
    return switcher.switchTo({ version: to, dryRun: kind === "dry-run", waitMs: 0, ...body }, context);
  }

  #answered(call: Call, answer: SwitchAnswer | PauseAnswer): void {
    this.#say(`answered: ${answer.message}`);
    if (!("version" in answer) || !answer.changed || !("previous_version" in answer)) return;
    this.counts.switched++;
    if (call.isExpectationWrong && answer.epoch > call.epochBefore && call.key === null) {
      throw new Violation(INVARIANTS.idempotency, "a wrong expectation switched");
    }
    if (call.key !== null) {
      this.#truth.answeredWithKey(call.key, digestOf(call), answer.epoch);
    }
    const isReplay = answer.epoch <= this.#truth.acknowledgedEpoch;
    this.#truth.acknowledge(answer.epoch, answer.version, this.#disk.peek(HISTORY) ?? "");
    if (isReplay) return;
    if (call.kind === "switch" && !answer.forced)
      this.#truth.judgeCooldown(call.startedTrueMs, GAP_MS, false);
    if (!answer.forced && answer.gate?.workers.some(({ passed }) => !passed) === true) {
      throw new Violation(INVARIANTS.allOrNone, "a worker refused the gate, and all were switched");
    }
    this.#truth.entryMade(call.startedTrueMs, this.#trueMs);
    this.#inFlight = null;
  }

  #refused(call: Call, error: unknown): void {
    if (!(error instanceof ProxyError)) throw error;
    this.counts.refused++;
    this.#say(`refused: ${error.code}: ${error.message}`);
    // It is taken back: no start may serve it. Else it says that one may.
    const { message } = error;
    if (message.includes("could not be written") && !message.includes("may serve")) this.#inFlight = null;
    if (error.code === "SWITCH_COOLING_DOWN") {
      if (call.kind !== "switch")
        throw new Violation(INVARIANTS.coolDown, `a ${call.kind} was refused by it`);
      if (call.force) throw new Violation(INVARIANTS.coolDown, "a forced switch was refused by it");
      this.#truth.judgeCooldown(this.#trueMs, GAP_MS, true);
    }
  }

  // ── faults ──────────────────────────────────────────────────────────────────────────────────────

  #faults(): Step[] {
    if (this.#faultsLeft <= 0) return [];
    const steps: Step[] = [];
    const primary = this.#primary;
    const fault = (weight: number, run: () => void): void => {
      steps.push({
        weight,
        run: () => {
          this.#faultsLeft--;
          run();
        },
      });
    };
    // One that recovers counts as well: what it mends may be cut again.
    const isSwitching = primary !== null && primary.switcher?.status().phase !== "idle";
    if (primary !== null) {
      fault(isSwitching ? 0.12 : 0.012, () => this.#killPrimary());
      fault(isSwitching ? 0.06 : 0.004, () => this.#stop(primary, "the primary"));
    }
    for (const worker of this.#workers) {
      if (worker.isDead || worker.isStopped) continue;
      fault(isSwitching ? 0.05 : 0.005, () => this.#endWorker(worker, "killed by chance"));
      fault(isSwitching ? 0.05 : 0.005, () => this.#stop(worker, `worker ${worker.pid}`));
    }
    return steps;
  }

  #stop(process: { isStopped: boolean }, name: string): void {
    this.#say(`${name} is stopped`);
    if (process === this.#primary) this.#hasPrimaryStoodStill = true;
    process.isStopped = true;
  }

  /** SIGTERM: what runs ends, whoever called is answered, then the workers end, and another daemon starts. */
  #endPrimary(): void {
    const primary = this.#primary;
    if (primary === null || primary.switcher === null || primary.isEnding) return;
    this.#say("the primary is told to end");
    this.counts.ends++;
    primary.isEnding = true;
    void primary.switcher.close().then(() => {
      if (primary.isDead) return;
      const phase = primary.switcher?.status().phase;
      if (phase !== "idle") {
        this.#failure ??= new Violation(INVARIANTS.allOrNone, `the daemon ends in the middle of ${phase}`);
      }
      this.#say("the primary has ended");
      this.#forgetPrimary(primary);
      for (const worker of [...this.#workers]) {
        if (worker.isStopped) this.#endWorker(worker, "did not end in time");
        else this.#orphanEnds(worker);
      }
      this.#disk.crash({ keepCache: true, random: () => this.#random.next() });
    });
  }

  #forgetPrimary(primary: SimPrimary): void {
    primary.isDead = true;
    this.#primary = null;
    this.#time.forget(primary);
    this.#births = [];
    this.#open.clear();
    this.#diskWaits = [];
  }

  /** kill -9, or the power is gone. */
  #killPrimary(): void {
    const isPowerLoss = this.#random.chance(0.3);
    this.#say(isPowerLoss ? "power loss" : "kill -9 of the primary");
    this.counts.primaryDeaths++;
    const primary = this.#primary;
    if (primary === null) return;
    this.#forgetPrimary(primary);
    this.#truth.forgetHeld();
    this.#disk.crash({ keepCache: !isPowerLoss, random: () => this.#random.next() });
    if (!isPowerLoss) return;
    for (const worker of this.#workers) if (!worker.isDead) this.#endWorker(worker, "power loss");
    this.#boots++;
    this.#truth.noteReboot(this.#trueMs);
    this.#time.clock.reboot({ nowMs: this.#random.between(1_000, 100_000) });
  }

  /** It notices that its primary is gone: what runs ends, nothing new is taken. */
  #orphanEnds(worker: SimWorker): void {
    worker.isEnding = true;
    worker.hold.close(Number.POSITIVE_INFINITY);
    this.#workers = this.#workers.filter((each) => each !== worker);
  }

  #endWorker(worker: SimWorker, why: string): void {
    this.#say(`worker ${worker.pid} ends: ${why}`);
    this.counts.workerDeaths++;
    worker.isDead = true;
    this.#time.forget(worker);
    this.#workers = this.#workers.filter((each) => each !== worker);
    if (this.#primary === null) return;
    this.#primary.inbox.push({ type: "worker-gone", pid: worker.pid });
    this.#births.push({ slot: worker.slot, atMs: this.#time.clock.nowMs() + RESPAWN_MS });
  }

  /** The primary kills a worker that did not acknowledge in time. */
  #killSilent(pid: number): void {
    const worker = this.#workers.find((each) => each.pid === pid);
    if (worker === undefined) return;
    this.counts.killedSilent++;
    const hasAnswered = this.#primary?.inbox.some((report) => report.pid === pid) === true;
    if (hasAnswered) {
      throw new Violation(
        INVARIANTS.noLoss,
        `worker ${pid} was killed although it had done what it was told`,
      );
    }
    const hadMs = this.#time.clock.nowMs() - worker.toldAtMs;
    if (hadMs < LEAST_TO_ACKNOWLEDGE_MS) {
      throw new Violation(INVARIANTS.noLoss, `worker ${pid} was killed ${hadMs} ms after it was told`);
    }
    this.#endWorker(worker, "killed by the primary");
  }

  // ── the primary ─────────────────────────────────────────────────────────────────────────────────

  #startPrimary(): void {
    this.#say("a primary starts");
    const primary = new SimPrimary();
    this.#primary = primary;
    const inFlight = this.#inFlight;
    const parts = {
      config: this.#config,
      disk: this.#disk,
      step: (call: SimCall) => this.#diskStep(call),
      time: this.#time,
      bootId: `boot-${this.#boots}`,
      tell: (pid: number, order: SwitchOrder) => this.#notice(() => this.#tell(pid, order)),
      kill: (pid: number) => this.#notice(() => this.#killSilent(pid)),
      onChange: (change: Change) => this.#notice(() => this.#noteChange(change)),
      onWrite: (after: Changes) => this.#changes.begin(after),
    };
    const hasStarted = (): void => {
      if (primary.isDead || primary.recovered === null) return;
      this.#truth.recovered(primary.recovered, inFlight?.to ?? []);
      this.#changes.recovered(primary.changes ?? NO_CHANGES);
      this.#noteRecovered(primary.recovered.epoch, primary.recovered.version);
      this.#births = Array.from({ length: WORKERS }, (_, at) => ({ slot: at + 1, atMs: 0 }));
    };
    primary
      .start(parts)
      .then(hasStarted)
      .catch((error: unknown) => {
        if (!primary.isDead) this.#failure ??= error;
      });
  }

  /** What was in flight at a crash counts from now on like what was acknowledged: it is what serves. */
  #noteRecovered(epoch: number, version: string | null): void {
    this.#say(`recovered ${version} at epoch ${epoch}`);
    const text = this.#disk.peek(HISTORY) ?? "";
    if (epoch > this.#truth.acknowledgedEpoch) {
      this.#truth.acknowledge(epoch, version ?? START_VERSION, text);
      this.#truth.entryMade(this.#inFlight?.sinceMs ?? 0, this.#trueMs);
    } else this.#truth.noteHistory(text);
    this.#inFlight = null;
  }

  #noteChange(change: Change): void {
    if (change.type !== "phase") return;
    const { phase, during } = change;
    this.#say(`phase ${phase}`, during);
    this.#changes.switchIn(phase, this.#primary?.pools?.snapshot.revision ?? 0);
    // A write that was given up may come back: it has said so.
    const { to = [], sinceMs = this.#trueMs } = this.#inFlight ?? {};
    if (phase === "persist") this.#inFlight = { to: [...to, during.to], sinceMs };
    if (phase !== "hold") return;
    this.#truth.heldEpochs.add(during.epoch);
    this.#holdBeganAtMs = this.#time.clock.nowMs();
    this.#hasPrimaryStoodStill = false;
  }

  /** A disk call waits its turn, and may fail, or be torn by a crash: then it is never told how it went. */
  #diskStep({ name, when, byteCount }: SimCall): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      this.#diskWaits.push(() => {
        const mayFail = this.#faultsLeft > 0 && this.#primary?.switcher !== null;
        if (mayFail && this.#random.chance(DISK_ERRORS)) {
          this.#faultsLeft--;
          this.counts.diskErrors++;
          this.#say(`fails, ${when} it was done: ${name}`);
          return reject(systemError("EIO", name));
        }
        const isTorn =
          byteCount > 0 && when === "before" && this.#faultsLeft > 0 && this.#random.chance(0.02);
        if (!isTorn) return resolve(undefined);
        this.#faultsLeft--;
        this.#say(`torn: ${name}`);
        resolve(this.#random.between(0, byteCount - 1));
        queueMicrotask(() => queueMicrotask(() => this.#killPrimary()));
      });
    });
  }

  #tell(pid: number, order: SwitchOrder): void {
    if (order.type === "apply-snapshot") this.#noteCommit(order.snapshot.epoch);
    if (order.type === "hold" && order.next !== null) this.#noteCommit(order.next.snapshot.epoch);
    const worker = this.#workers.find((each) => each.pid === pid);
    if (worker === undefined) return;
    worker.inbox.push(order);
    const isAwaited = order.type === "apply-snapshot" || (order.type === "hold" && order.next !== null);
    if (isAwaited) worker.toldAtMs = this.#time.clock.nowMs();
  }

  /** What the daemon does to the world: it goes on whatever is thrown at it, and would hide a broken promise. */
  #notice(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #noteCommit(epoch: number): void {
    const entry = entriesOf(this.#disk.peek(HISTORY) ?? "").at(-1);
    if (entry?.epoch !== epoch) {
      throw new Violation(INVARIANTS.allOrNone, `epoch ${epoch} is served before it is on the disk`);
    }
    this.#truth.versions.set(epoch, entry.to);
  }

  // ── after each step ─────────────────────────────────────────────────────────────────────────────

  #look(): void {
    for (const worker of this.#workers) {
      if (worker.isStopped || this.#isOrphan(worker)) continue;
      const { version } = worker.serving.current.active;
      if (worker.draining.has(version)) {
        throw new Violation(
          INVARIANTS.noLoss,
          `worker ${worker.pid} ends what runs on ${version}, which is active`,
        );
      }
      for (const { askedAtMs } of worker.waiting) {
        // Two holds in a row, a pause, and as many timers that are late.
        if (this.#time.clock.nowMs() - askedAtMs > 60_000) {
          throw new Violation(
            INVARIANTS.noLoss,
            `a request waits in worker ${worker.pid} and nothing ends it`,
          );
        }
      }
    }
  }

  async #lookAtTheEnd(): Promise<void> {
    const epoch = this.#primary?.switcher?.snapshot().epoch ?? -1;
    for (const worker of this.#workers) {
      if (worker.epoch !== epoch) {
        throw new Violation(
          INVARIANTS.allOrNone,
          `worker ${worker.pid} stays at epoch ${worker.epoch}, not ${epoch}`,
        );
      }
      if (worker.waiting.size > 0) throw new Violation(INVARIANTS.noLoss, "a request waits for ever");
    }
    if (this.#workers.length !== WORKERS)
      throw new Violation(INVARIANTS.noLoss, "a dead worker is not replaced");
    const text = this.#disk.peek(HISTORY) ?? "";
    this.#truth.noteHistory(text);
    const lines = text.split("\n").slice(0, -1);
    if (lines.length > 0) await this.#tamper(lines);
  }

  /** Whoever changes a line is found out. */
  async #tamper(lines: readonly string[]): Promise<void> {
    const at = this.#random.between(0, lines.length - 1);
    const changed = lines.map((line, each) =>
      each === at ? line.replace('"actor":"', '"actor":"not ') : line,
    );
    const disk = new SimDisk(STATE_DIR);
    disk.put(HISTORY, `${changed.join("\n")}\n`);
    const step = async (): Promise<undefined> => undefined;
    const options = { stateDir: STATE_DIR, versions: VERSIONS, clock: this.#time.clock };
    const { recovered } = await openStoreOn(disk.mount(step), options);
    if (recovered.damaged.length === 0) {
      throw new Violation(INVARIANTS.history, `line ${at + 1} was changed, and nobody noticed`);
    }
  }

  #passTime(): Step | null {
    const untilMs = this.#time.untilNextMs((owner) => this.#runs(owner));
    const births = this.#births.map(({ atMs }) => Math.max(0, atMs - this.#time.clock.nowMs()));
    const waits = untilMs === null ? births : [untilMs, ...births];
    if (waits.length === 0) return null;
    return { weight: 1, run: () => this.#advance(Math.max(1, Math.min(...waits))) };
  }

  #advance(ms: number): void {
    this.#time.clock.advance(ms);
    this.#trueMs += ms;
  }

  #say(what: string, detail?: unknown): void {
    this.log.push(detail === undefined ? what : `${what} ${JSON.stringify(detail)}`);
  }
}

/** Every promise that could settle has settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** As two calls of one body have it in common. */
function digestOf({ kind, to }: Pick<Call, "kind" | "to">): string {
  const text = kind === "rollback" ? kind : `${kind} ${to}`;
  return Buffer.from(text).toString("hex").padEnd(64, "0").slice(0, 64);
}

function simConfig(): Config {
  return {
    activeVersion: START_VERSION,
    backends: VERSIONS.map((version) => versionOfOne(version, `http://${version}`)),
    switch: {
      minIntervalMs: GAP_MS,
      prepareTimeoutMs: 10_000,
      persistTimeoutMs: 5_000,
      commitTimeoutMs: 2_000,
      drain: { deadlineMs: 30_000, websocketWindowMs: 10_000 },
    },
  } as unknown as Config;
}
