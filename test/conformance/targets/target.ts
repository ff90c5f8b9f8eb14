/** A proxy that cases run against: how to start it under a profile, and what it can be asked. */
import type { TestEnd } from "../../support/cleanup.ts";
import type { TestProxy } from "../../support/proxy.ts";
import type { Need, ProfileName } from "../profiles.ts";

export interface Target {
  readonly name: string;
  /** What it has a setting for; a case that needs more is not run. */
  readonly has: ReadonlySet<Need>;
  /** The profiles it can be started under. */
  readonly profiles: ReadonlySet<ProfileName>;
  /** Undefined when it is not installed. */
  version(): Promise<string | undefined>;
  /** Starts it in front of the backend, for as long as the run lasts; resolves when it accepts connections. */
  start(t: TestEnd, profile: ProfileName, backendPort: number): Promise<RunningTarget>;
}

export interface RunningTarget {
  readonly host: string;
  readonly port: number;
  /** Only of our own daemon. */
  readonly daemon?: TestProxy;
}
