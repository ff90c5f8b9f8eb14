/** The names of the balancers that ship with the proxy: what `balance.algorithm` takes, and what the registry holds. */
export const BALANCER_NAMES = [
  "round-robin",
  "smooth-weighted",
  "least-in-flight",
  "weighted-least-in-flight",
  "p2c-ewma",
  "consistent-hash",
  "random",
] as const;

export type BalancerName = (typeof BALANCER_NAMES)[number];
