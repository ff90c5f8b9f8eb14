/** How large this suite is run: in full, or with `TEST_LOAD=short`, which is for CI and takes about a minute. */
export interface Size {
  readonly idleConnections: number;
  readonly idleMs: number;
  readonly ab: { readonly requests: number; readonly concurrency: number };
  readonly churnConnections: number;
  readonly drain: { readonly sockets: number; readonly windowSeconds: number };
  readonly switches: number;
  readonly pools: { readonly connections: number; readonly requests: number; readonly slowStartMs: number };
  readonly soak: { readonly warmUpMs: number; readonly durationMs: number };
}

const FULL: Size = {
  idleConnections: 10_000,
  idleMs: 10_000,
  ab: { requests: 600_000, concurrency: 12_000 },
  churnConnections: 20_000,
  drain: { sockets: 5_000, windowSeconds: 30 },
  switches: 100,
  pools: { connections: 64, requests: 20_000, slowStartMs: 8_000 },
  soak: { warmUpMs: 30_000, durationMs: 300_000 },
};

const SHORT: Size = {
  idleConnections: 2_000,
  idleMs: 2_000,
  ab: { requests: 60_000, concurrency: 2_000 },
  churnConnections: 5_000,
  drain: { sockets: 500, windowSeconds: 5 },
  switches: 20,
  pools: { connections: 32, requests: 3_000, slowStartMs: 4_000 },
  soak: { warmUpMs: 3_000, durationMs: 5_000 },
};

export const SIZE: Size = sizeOf(process.env.TEST_LOAD);

function sizeOf(given: string | undefined): Size {
  if (given === undefined || given === "") return FULL;
  if (given === "short") return SHORT;
  throw new Error(`TEST_LOAD is "short" or not set, not ${JSON.stringify(given)}`);
}
