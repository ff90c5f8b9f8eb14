/** Where the cases of one run against one target meet: its backend, and the target once for each profile. */
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import { RecordingBackend } from "./backend.ts";
import type { Case } from "./case.ts";
import type { ProfileName } from "./profiles.ts";
import { isItselfAgain, runCase } from "./run-case.ts";
import type { RunningTarget, Target } from "./targets/target.ts";

export class Stage {
  readonly target: Target;
  readonly #t: TestEnd;
  readonly #backend = new RecordingBackend();
  readonly #running = new Map<ProfileName, Promise<RunningTarget>>();

  constructor(t: TestEnd, target: Target) {
    this.#t = t;
    this.target = target;
  }

  /** @param backendPort 0 is any free one. */
  async open(backendPort = 0, host?: string): Promise<this> {
    await this.#backend.listen(backendPort, host);
    onTestEnd(this.#t, () => this.#backend.close());
    return this;
  }

  /** Whether the case can be asked of this target at all. */
  canRun(one: Case): boolean {
    if (one.daemonOnly && this.target.name !== "traffic-switching") return false;
    const needs = [one.needs ?? []].flat();
    return (
      this.target.profiles.has(one.profile ?? "default") && needs.every((need) => this.target.has.has(need))
    );
  }

  /** Starts what these cases need, so that what cannot be started is found before the first one. */
  async startFor(cases: readonly Case[]): Promise<void> {
    await Promise.all(cases.filter((one) => this.canRun(one)).map((one) => this.#start(one)));
  }

  /** Throws when the case fails, or the proxy with it; then the next case meets a new one. One at a time. */
  async run(one: Case): Promise<void> {
    const running = await this.#start(one);
    const before = running.daemon?.processPids().join();
    let failure: unknown;
    try {
      await runCase(one, running, this.#backend);
    } catch (error) {
      failure = error;
    }
    if (!(await isItselfAgain(running, this.#backend))) {
      this.#running.delete(one.profile ?? "default");
      failure ??= new Error("the proxy no longer answers after this case");
    }
    if (running.daemon?.processPids().join() !== before) failure ??= new Error("a worker ended in this case");
    if (failure !== undefined) throw failure;
  }

  #start({ profile = "default" }: Case): Promise<RunningTarget> {
    const running = this.#running.get(profile) ?? this.target.start(this.#t, profile, this.#backend.port);
    this.#running.set(profile, running);
    return running;
  }
}
