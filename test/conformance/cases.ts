/** Every case of the suite, in the order of its promises. */
import { type Case, PROMISES } from "./case.ts";
import { badAnswers } from "./cases/bad-answers.ts";
import { badBodies } from "./cases/bad-bodies.ts";
import { badFields } from "./cases/bad-fields.ts";
import { bodies } from "./cases/bodies.ts";
import { bytes } from "./cases/bytes.ts";
import { crowds } from "./cases/crowds.ts";
import { fields } from "./cases/fields.ts";
import { forwarded } from "./cases/forwarded.ts";
import { framing } from "./cases/framing.ts";
import { hopByHop } from "./cases/hop-by-hop.ts";
import { hosts } from "./cases/hosts.ts";
import { leaving } from "./cases/leaving.ts";
import { limits } from "./cases/limits.ts";
import { oneHop } from "./cases/one-hop.ts";
import { streaming } from "./cases/streaming.ts";
import { surplus } from "./cases/surplus.ts";
import { targets } from "./cases/targets.ts";
import { timeLimits } from "./cases/time-limits.ts";
import { upgrades } from "./cases/upgrades.ts";
import { via } from "./cases/via.ts";

const ALL = [
  bytes,
  targets,
  hosts,
  fields,
  bodies,
  hopByHop,
  oneHop,
  forwarded,
  via,
  framing,
  upgrades,
  streaming,
  leaving,
  limits,
  timeLimits,
  crowds,
  badAnswers,
  badFields,
  badBodies,
  surplus,
].flat();

export const CASES: readonly Case[] = inOrder(ALL);

/** @throws Error when two cases say the same: their sentences are their names. */
export function inOrder(cases: readonly Case[]): Case[] {
  const sentences = new Set<string>();
  for (const { says } of cases) {
    if (sentences.has(says)) throw new Error(`two cases say: ${says}`);
    sentences.add(says);
  }
  return PROMISES.flatMap((promise) => cases.filter((one) => one.promise === promise));
}
