/** Everything that is made for docs/performance.md, in both languages: the same sources give the same bytes. Pure. */
import { flameGraph } from "../profile/flame.ts";
import { fromLines } from "../profile/tree.ts";
import { barChart } from "./bar-chart.ts";
import { fill } from "./made.ts";
import { cpuPanels, otherPanels } from "./panels.ts";
import { type ProfileSource, profileSection } from "./profile-section.ts";
import { casesSection, floorsSection, measuredSection, ranksSection } from "./sections.ts";
import { merge, type Source } from "./sources.ts";
import { LANGUAGES, type Words } from "./words.ts";
import { ENGLISH } from "./words-english.ts";

export const MEASURED = "measured";
export const PROFILE = "profile";

export function documentPath({ suffix }: Words): string {
  return `docs/performance${suffix}.md`;
}

/**
 * @param read gives a document as it is now, by its path from the root: what is written by hand stays.
 * @returns the files by their path from the root.
 */
export function render(
  sources: readonly Source[],
  profile: ProfileSource | undefined,
  read: (path: string) => string,
): Record<string, string> {
  const merged = merge(sources);
  const files: Record<string, string> = {};
  for (const words of LANGUAGES) {
    const path = documentPath(words);
    files[path] = fill(read(path), {
      [MEASURED]: measuredSection(merged, words),
      floors: floorsSection(merged, words),
      ranks: ranksSection(merged, words),
      cases: casesSection(merged, words),
      [PROFILE]: profile ? profileSection(profile, words) : "",
    });
    const { charts, suffix } = words;
    files[`docs/performance/cpu${suffix}.svg`] = barChart(cpuPanels(merged, words), {
      ...charts.cpu,
      legend: { user: charts.user, system: charts.system, reference: charts.reference },
    });
    files[`docs/performance/other${suffix}.svg`] = barChart(otherPanels(merged, words), {
      ...charts.other,
      legend: { reference: charts.reference },
    });
  }
  const tree = profile?.profile.recorded?.tree;
  if (tree) files["docs/performance/flame.svg"] = flameGraph(fromLines(tree), ENGLISH.charts.flame);
  return files;
}
