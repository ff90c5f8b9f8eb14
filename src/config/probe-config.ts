/** Probe config: what a probe asks, and what it expects. Types only. */
import type { ExpectedField, ProbeField } from "./probe-values.ts";
import type { StatusRange } from "./values.ts";

export interface ProbeConfig {
  readonly method: string;
  readonly path: string;
  /** What `Host` says; null: the backend's own authority. */
  readonly host: string | null;
  /** Values may be secrets: never told. */
  readonly headers: readonly ProbeField[];
  /** The status codes that are good, as inclusive ranges. */
  readonly expect: readonly StatusRange[];
  readonly expectHeaders: readonly ExpectedField[];
  /** What the start of the body must hold; null: anything. */
  readonly expectBody: string | null;
  /** From the sent request to the end of the answer, so without connecting; null: no limit of its own. */
  readonly maxLatencyMs: number | null;
  readonly timeoutMs: number;
  readonly successes: number;
  readonly intervalMs: number;
}

/** What a single probe goes by, whatever comes of several. */
export type ProbeTerms = Omit<ProbeConfig, "successes" | "intervalMs">;
