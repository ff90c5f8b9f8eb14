/** The profile that the page is made from. Reads; measures nothing. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RESULTS_DIR, ROOT } from "../place.ts";
import type { Profile } from "../profile/profile.ts";
import type { ProfileSource } from "./profile-section.ts";

/** Of the names in bench/results; the date follows, so that they sort by time. */
export const PROFILE_PREFIX = "profile-";

/** @throws Error when the file is not a result of `npm run bench:profile`. */
export function readProfile(file: string): ProfileSource {
  const content: unknown = JSON.parse(readFileSync(join(ROOT, file), "utf8"));
  if (!isProfile(content)) throw new Error(`${file} is not a result of npm run bench:profile`);
  return { file, profile: content };
}

export function newestProfile(): ProfileSource | undefined {
  const newest = readdirSync(RESULTS_DIR)
    .filter((name) => name.startsWith(PROFILE_PREFIX) && name.endsWith(".json"))
    .sort()
    .at(-1);
  return newest === undefined ? undefined : readProfile(`bench/results/${newest}`);
}

function isProfile(content: unknown): content is Profile {
  return typeof content === "object" && content !== null && "kind" in content && content.kind === "profile";
}
