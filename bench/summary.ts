/** Samples of one contender in one case to its medians, ranges and ratios. Pure. */
import {
  type AgainstCase,
  type Figures,
  METRICS,
  type MetricName,
  type PairRatio,
  type Sample,
} from "./result.ts";
import { median } from "./statistics.ts";

const NAMES = Object.keys(METRICS) as MetricName[];

export interface SampleSummary {
  readonly median: Figures;
  readonly min: Figures;
  readonly max: Figures;
}

/** Of the figures that any of the samples has. */
export function summarize(samples: readonly Sample[]): SampleSummary {
  const over = (reduce: (values: readonly number[]) => number): Figures =>
    figuresOf((name) => {
      const values = samples.flatMap((sample) => sample[name] ?? []);
      return values.length > 0 ? reduce(values) : undefined;
    });
  return {
    median: over(median),
    min: over((values) => Math.min(...values)),
    max: over((values) => Math.max(...values)),
  };
}

/** The median over the rounds of `own` to `reference` in the same round; rounds that only one has do not count. */
export function ratiosTo(reference: readonly Sample[], own: readonly Sample[]): Figures {
  return figuresOf((name) => {
    const ratios = own.flatMap((sample) => {
      const figure = sample[name];
      const other = reference.find(({ round }) => round === sample.round)?.[name];
      return figure === undefined || other === undefined || other === 0 ? [] : [figure / other];
    });
    return ratios.length > 0 ? median(ratios) : undefined;
  });
}

export function geometricMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no values, no mean");
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Of every figure that all samples have and that is never 0. */
export function pairRatios(pairs: AgainstCase["pairs"]): AgainstCase["ratios"] {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const ratios = pairs.flatMap(({ ours, theirs }) => {
        const [own, other] = [ours[name], theirs[name]];
        return own && other ? [own / other] : [];
      });
      if (ratios.length < pairs.length || ratios.length === 0) return [];
      const ratio: PairRatio = {
        geometricMean: geometricMean(ratios),
        min: Math.min(...ratios),
        max: Math.max(...ratios),
      };
      return [[name, ratio]];
    }),
  );
}

function figuresOf(figure: (name: MetricName) => number | undefined): Figures {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = figure(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
