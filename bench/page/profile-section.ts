/** Where the worker's time goes, as Markdown: shares, flame graph, system calls for each request. Pure. */
import { PLACES } from "../profile/places.ts";
import type { Profile, Recorded, Traced } from "../profile/profile.ts";
import { formatNumber, table } from "./figures.ts";
import type { Words } from "./words.ts";

/** Of all system calls: what is rarer says nothing about a request. */
const LEAST_CALLS_PER_REQUEST = 0.005;

export interface ProfileSource {
  /** From the root. */
  readonly file: string;
  readonly profile: Profile;
}

export function profileSection({ file, profile }: ProfileSource, words: Words): string {
  const { recorded, traced } = profile;
  return [
    ...(recorded ? [recordedText(recorded, file, profile, words)] : []),
    ...(traced ? [tracedText(traced, words)] : []),
  ].join("\n\n");
}

function recordedText(recorded: Recorded, file: string, profile: Profile, words: Words): string {
  const { hertz, seconds, samples, places } = recorded;
  const shares = PLACES.map((place) => ({ place, share: (places[place] ?? 0) / samples }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
  return [
    words.profiled({
      file: `[${file}](../${file})`,
      commit: profile.environment.commit,
      samples: formatNumber(samples, 0),
      hertz: formatNumber(hertz, 0),
      seconds: formatNumber(seconds, 0),
      connections: formatNumber(profile.connections, 0),
    }),
    table([
      [words.heads.where, words.heads.share],
      ...shares.map(({ place, share }) => [words.places[place], `${formatNumber(share * 100, 1)} %`]),
    ]),
    `[![${words.charts.flame.title}](performance/flame.svg)](performance/flame.svg)`,
  ].join("\n\n");
}

function tracedText({ requests, calls }: Traced, words: Words): string {
  const all = calls.reduce((sum, each) => sum + each.calls, 0);
  const often = calls.filter((each) => each.calls / requests >= LEAST_CALLS_PER_REQUEST);
  return [
    words.traced({
      requests: formatNumber(requests, 0),
      callsPerRequest: formatNumber(all / requests, 2),
    }),
    table([
      [words.heads.systemCall, words.heads.perRequest],
      ...often.map((each) => [`\`${each.name}\``, formatNumber(each.calls / requests, 2)]),
    ]),
  ].join("\n\n");
}
