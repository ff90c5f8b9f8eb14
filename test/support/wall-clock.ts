/** A wall clock that a test sets, for one daemon and its workers. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestEnd } from "./cleanup.ts";
import type { Env } from "./proxy.ts";
import { tempDir } from "./temp-dir.ts";

const PRELOAD = fileURLToPath(
  new URL(`./shifted-wall-clock.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);

export interface WallClock {
  /** To start the daemon with. */
  readonly env: Env;
  /** From now on the daemon's wall clock is off by this much. */
  shift(ms: number): void;
}

export async function settableWallClock(t: TestEnd): Promise<WallClock> {
  const file = join(await tempDir(t, "wall-clock"), "shift");
  const shift = (ms: number): void => writeFileSync(file, String(ms));
  shift(0);
  return { env: { NODE_OPTIONS: `--import=${PRELOAD}`, TEST_WALL_SHIFT_FILE: file }, shift };
}
