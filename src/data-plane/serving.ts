/**
 * What this worker serves now: one immutable value that a request reads once, so that a switch never
 * splits a request. Replaced whole by one assignment.
 */
import type { Config } from "../config/schema.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { ProxyError } from "../core/errors.ts";
import type { Version } from "../core/version.ts";
import { Backend } from "./backend/backend.ts";

export interface Live {
  readonly epoch: number;
  readonly active: Backend;
}

export class Serving {
  /** Every configured version's backend, in the order of the config. */
  readonly backends: readonly Backend[];
  #current: Live;

  constructor(config: Config, snapshot: Snapshot) {
    this.backends = config.backends.map(
      ({ version, targets }, index) => new Backend(version, targets[0]?.origin ?? "", index),
    );
    this.#current = { epoch: snapshot.epoch, active: this.backend(snapshot.activeVersion) };
  }

  get current(): Live {
    return this.#current;
  }

  /** Every request from now on goes by `snapshot`. */
  apply(snapshot: Snapshot): void {
    this.#current = { epoch: snapshot.epoch, active: this.backend(snapshot.activeVersion) };
  }

  /** @throws ProxyError UNKNOWN_VERSION */
  backend(version: Version): Backend {
    const backend = this.backends.find((each) => each.version === version);
    if (backend === undefined)
      throw new ProxyError("UNKNOWN_VERSION", `no version "${version}" is configured`);
    return backend;
  }
}
