/**
 * Safe start: looks at start whether the version that the state names lives, and does not let the daemon be ready
 * while it is dead and another one lives.
 *
 * Runs in the primary. Waits, or with `switch.start_policy: fail-over` moves to a version that lives, through the
 * switch like everybody else. Stops no traffic. When no version lives there is nothing better to do: ready. A
 * version that comes from the config is not looked at: nobody was ever served by it.
 */
import type { Config } from "../../config/schema.ts";
import { type After, afterInBackground } from "../../core/timers.ts";
import type { Version } from "../../core/version.ts";
import type { RecoveredState, SwitchEntry } from "./state-store.ts";
import type { Switcher } from "./switcher.ts";

/** As GET /status tells it. */
export interface StartCheck {
  readonly state:
    | "not_needed"
    | "checking"
    | "passed"
    | "waiting"
    | "failed_over"
    /** It is dead, and so is every other one. */
    | "no_other"
    /** Somebody switched or rolled back before it was over. */
    | "switched";
  /** That the state named; null when it named none. */
  readonly version: Version | null;
  /** The last that was seen of it. */
  readonly saw: string | null;
}

export interface SafeStartParts {
  readonly config: {
    readonly backends: Config["backends"];
    readonly switch: Pick<Config["switch"], "startPolicy">;
  };
  readonly recovered: Pick<RecoveredState, "source" | "version" | "entries">;
  readonly switcher: Pick<Switcher, "probe" | "failOver"> & {
    status(): Pick<ReturnType<Switcher["status"]>, "lastProbes">;
  };
  readonly after?: After;
  readonly log: { warn(fields: object, sentence: string): void };
  /** `why` may have changed. */
  readonly onChange: () => void;
}

/** From the end of one look to the next. */
const AGAIN_MS = 1_000;
/** A worker that dies, or one bad answer, moves nothing: a fail-over needs as many bad looks in a row. */
const BAD_LOOKS_TO_FAIL_OVER = 2;

type Sight = "lives" | "dead" | "unseen";

export class SafeStart {
  readonly #parts: SafeStartParts;
  readonly #version: Version;
  readonly #end = Promise.withResolvers<boolean>();
  #state: StartCheck["state"];
  #saw: string | null = null;
  #other: Version | null = null;
  #badLooks = 0;
  #mayFailOver: boolean;
  #hasWarned = false;
  #isClosed = false;
  #stopTimer = (): void => {};

  constructor(parts: SafeStartParts) {
    const { source, version } = parts.recovered;
    this.#parts = parts;
    this.#version = version ?? "";
    this.#state = source === "config" || version === null ? "not_needed" : "checking";
    this.#mayFailOver = parts.config.switch.startPolicy === "fail-over";
    if (!this.#isOpen) this.#end.resolve(true);
  }

  get check(): StartCheck {
    const version = this.#state === "not_needed" ? null : this.#version;
    return { state: this.#state, version, saw: this.#saw };
  }

  /** Why the daemon is not ready yet; empty when nothing here speaks against it. */
  get why(): string {
    if (!this.#isOpen) return "";
    if (this.#state === "checking") return `${this.#version} of the state has not been probed yet`;
    // Open to all, so without an address and without what was seen: GET /status has them.
    return `${this.#version} of the state does not answer, but ${this.#other} does; see GET /status and switch.start_policy`;
  }

  /** To be called when every worker listens. @returns whether it came to an end: false after `close`. */
  begin(): Promise<boolean> {
    if (this.#isOpen) void this.#look();
    return this.#end.promise;
  }

  /** A switch was done, whoever asked for it: what the state named at start no longer serves. */
  switched({ trigger }: { readonly trigger: SwitchEntry["trigger"] }): void {
    if (this.#isOpen) this.#settle(trigger === "fail-over" ? "failed_over" : "switched");
  }

  /** The daemon ends. */
  close(): void {
    this.#isClosed = true;
    this.#stopTimer();
    this.#end.resolve(false);
  }

  get #isOpen(): boolean {
    return !this.#isClosed && (this.#state === "checking" || this.#state === "waiting");
  }

  async #look(): Promise<void> {
    const own = await this.#probe(this.#version);
    if (!this.#isOpen) return;
    this.#saw = this.#parts.switcher.status().lastProbes.get(this.#version)?.saw ?? null;
    if (own === "lives") return this.#settle("passed");
    const living = own === "dead" ? await this.#living() : null;
    if (!this.#isOpen) return;
    if (living === null) return this.#lookAgain();
    const other = this.#preferred(living);
    if (other !== undefined) return this.#onDead(other);
    this.#parts.log.warn(this.#fields, "the version of the state does not answer, and no other one does");
    this.#settle("no_other");
  }

  #onDead(other: Version): void {
    this.#badLooks++;
    this.#other = other;
    this.#state = "waiting";
    if (!this.#mayFailOver) this.#warn();
    this.#parts.onChange();
    if (this.#mayFailOver && this.#badLooks >= BAD_LOOKS_TO_FAIL_OVER) void this.#failOver(other);
    else this.#lookAgain();
  }

  /** Once: whatever refused it, from then on it is the operator's to decide. `switched` says that it was done. */
  async #failOver(to: Version): Promise<void> {
    this.#mayFailOver = false;
    const { switcher, log } = this.#parts;
    log.warn({ ...this.#fields, to }, "failing over: the version of the state does not answer");
    try {
      await switcher.failOver(to, `${this.#version} did not answer at start: ${this.#saw}`);
    } catch {
      // Told by the switcher.
    }
    if (this.#isOpen) this.#lookAgain();
  }

  #lookAgain(): void {
    const after = this.#parts.after ?? afterInBackground;
    this.#stopTimer = after(AGAIN_MS, () => void this.#look());
  }

  /** All at once, so that it takes no longer with many. @returns null when they could not be looked at. */
  async #living(): Promise<readonly Version[] | null> {
    const others = this.#parts.config.backends
      .map(({ version }) => version)
      .filter((version) => version !== this.#version);
    const sights = await Promise.all(others.map((version) => this.#probe(version)));
    if (sights.includes("unseen")) return null;
    return others.filter((_, index) => sights[index] === "lives");
  }

  /**
   * First the one that the last switch left, then in the order of the config. What was rolled back comes last: there
   * was a reason to leave it.
   */
  #preferred(living: readonly Version[]): Version | undefined {
    const last = this.#parts.recovered.entries.at(-1);
    if (last?.trigger === "rollback") return living.find((version) => version !== last.from) ?? living[0];
    return living.find((version) => version === last?.from) ?? living[0];
  }

  /** Never rejects. */
  async #probe(version: Version): Promise<Sight> {
    try {
      const answer = await this.#parts.switcher.probe(version);
      if (!("verdict" in answer) || answer.code === "NOT_READY") return "unseen"; // no worker listens now
      return answer.verdict === "would_switch" ? "lives" : "dead";
    } catch {
      return "unseen"; // the daemon ends
    }
  }

  #settle(state: StartCheck["state"]): void {
    this.#state = state;
    this.#stopTimer();
    this.#parts.onChange();
    this.#end.resolve(true);
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#parts.log.warn(
      { ...this.#fields, lives: this.#other },
      "not ready: the version of the state does not answer, but another one does; start its backend, or switch",
    );
  }

  get #fields() {
    return { version: this.#version, saw: this.#saw };
  }
}
