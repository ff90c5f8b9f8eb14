/** What a backend of a pool is told, and what it tells. */
export interface Behaviour {
  /** 500 to every other request, or to as many as a seeded chance says. */
  readonly fail?: "alternating" | { readonly ratio: number; readonly seed: number };
  /** Before each answer. */
  readonly delayMs?: number;
  /** On SIGTERM it closes what is idle at once, a request that is on its way there or not; else after a moment. */
  readonly closesIdle?: boolean;
}

export type ToBackend = { readonly do: "behave"; readonly behaviour: Behaviour } | { readonly do: "count" };

export interface FromBackend {
  readonly port?: number;
  /** So far, without the probes. */
  readonly requests?: number;
}
