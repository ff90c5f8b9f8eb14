/**
 * What `npm audit --json` said, judged: findings that stand, findings that are excepted, or no answer. Pure.
 */

/** A finding that is known and does not reach us. It ends with its reason: take it out when that is gone. */
export interface Exception {
  readonly package: string;
  /** As the advisory names it: a GHSA or a CVE. */
  readonly ids: readonly string[];
  /** Advisories of the same weakness in that package, under whatever id: `CWE-444`. */
  readonly weakness?: string;
  readonly reason: string;
}

export interface Verdict {
  readonly kind: "clean" | "found" | "not run";
  /** For a reader, a line each. */
  readonly lines: readonly string[];
}

interface Advisory {
  readonly name: string;
  readonly title: string;
  readonly url: string;
  readonly severity: string;
  readonly cwe: readonly string[];
}

/** @param text the standard output of `npm audit --json`. */
export function judge(text: string, exceptions: readonly Exception[]): Verdict {
  const report = parse(text);
  if (report === null || !isRecord(report.vulnerabilities)) {
    const { message, error } = report ?? {};
    const summary = isRecord(error) ? error.summary : undefined;
    const why = [message, summary, "no report"].find((one) => typeof one === "string" && one !== "");
    return {
      kind: "not run",
      lines: [
        `no answer: ${String(why)
          .split("\n")[0]
          ?.replace(/https?:\/\/\S+/g, "…")}`,
      ],
    };
  }
  const advisories = Object.values(report.vulnerabilities).flatMap(advisoriesOf);
  const lines: string[] = [];
  let standing = 0;
  for (const advisory of new Map(advisories.map((one) => [`${one.name} ${one.url}`, one])).values()) {
    const exception = exceptions.find((one) => covers(one, advisory));
    if (!exception) standing++;
    lines.push(`${exception ? "excepted" : "FOUND"}: ${describe(advisory)}`);
    if (exception) lines.push(`  because ${exception.reason}`);
  }
  // A package is listed without an advisory of its own when one below it has one: then that one is listed too.
  if (advisories.length === 0 && Object.keys(report.vulnerabilities).length > 0) {
    standing++;
    lines.push(`FOUND: ${Object.keys(report.vulnerabilities).join(", ")}, without an advisory`);
  }
  return { kind: standing > 0 ? "found" : "clean", lines };
}

function covers(exception: Exception, { name, title, url, cwe }: Advisory): boolean {
  if (name !== exception.package) return false;
  const isNamed = exception.ids.some((id) => url.includes(id) || title.includes(id));
  return isNamed || (exception.weakness !== undefined && cwe.includes(exception.weakness));
}

function describe({ name, severity, title, url }: Advisory): string {
  return `${name} (${severity}): ${title} ${url}`.trim();
}

function advisoriesOf(vulnerability: unknown): Advisory[] {
  const via = isRecord(vulnerability) && Array.isArray(vulnerability.via) ? vulnerability.via : [];
  return via.filter(isRecord).map(({ name, title, url, severity, cwe }) => ({
    name: String(name ?? ""),
    title: String(title ?? ""),
    url: String(url ?? ""),
    severity: String(severity ?? ""),
    cwe: Array.isArray(cwe) ? cwe.map(String) : [],
  }));
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
