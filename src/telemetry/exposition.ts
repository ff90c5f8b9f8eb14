/**
 * Exposition: metric families as text, in the Prometheus format 0.0.4 or in OpenMetrics 1.0.0. Pure.
 *
 * prom-client's own writer works on live registries; ours takes the values of one scrape, so two scrapes at
 * once share nothing.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
export type ExpositionFormat = "prometheus" | "openmetrics";

export const EXPOSITION_TYPES = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
} as const satisfies Record<ExpositionFormat, string>;

export interface Sample {
  /** After the family's name: `_bucket`, `_sum`, `_count` of a histogram, else empty. */
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The whole page. Families without a sample are left out. */
export function writeExposition(families: readonly Family[], format: ExpositionFormat): string {
  const lines = families
    .filter(({ samples }) => samples.length > 0)
    .flatMap((family) => familyLines(family, format));
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

function familyLines({ name, type, help, samples }: Family, format: ExpositionFormat): string[] {
  const isOpenMetrics = format === "openmetrics";
  // OpenMetrics names a counter's family without the _total that its samples carry.
  const familyName = isOpenMetrics && type === "counter" ? name.replace(/_total$/, "") : name;
  const escapedHelp = isOpenMetrics ? escapeLabel(help) : help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
  return [
    `# HELP ${familyName} ${escapedHelp}`,
    `# TYPE ${familyName} ${type}`,
    ...samples.map(
      ({ suffix, labels, value }) =>
        `${name}${suffix}${labelText(labels, isOpenMetrics)} ${numberText(value)}`,
    ),
  ];
}

function labelText(labels: Sample["labels"], isOpenMetrics: boolean): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const text =
      name === "le" && typeof value === "number"
        ? boundText(value, isOpenMetrics)
        : escapeLabel(String(value));
    return `${name}="${text}"`;
  });
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

/** OpenMetrics wants a bound to look like a float: 1.0. */
function boundText(bound: number, isOpenMetrics: boolean): string {
  const text = numberText(bound);
  return isOpenMetrics && Number.isInteger(bound) ? `${text}.0` : text;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value); // NaN is NaN in both formats
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
}
