/** The flags of `traffic-switching drill` as checked values. Pure. */
import type { Flags } from "../config/overrides.ts";
import { UsageError } from "./arguments.ts";

const SWITCHES = { default: 20, max: 1_000 };

export interface DrillArguments {
  readonly switches: number;
  readonly isJson: boolean;
}

/** @throws UsageError when the number of switches is none. */
export function drillArguments({ switches, json }: Flags): DrillArguments {
  const count = switches === undefined ? SWITCHES.default : Number(switches);
  if (!/^\d+$/.test(switches ?? "1") || count < 1 || count > SWITCHES.max) {
    throw new UsageError(
      `--switches must be a number from 1 to ${SWITCHES.max}, found ${JSON.stringify(switches?.slice(0, 20))}`,
    );
  }
  return { switches: count, isJson: json ?? false };
}
