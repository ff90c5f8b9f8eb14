/** Look up: values inside settings of which some may be wrong, for the rules between keys. Pure. */

export function at(settings: unknown, path: string): unknown {
  let value = settings;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** NaN for what is no number: every comparison with it is false. */
export function numberAt(settings: unknown, path: string): number {
  const value = at(settings, path);
  return typeof value === "number" ? value : Number.NaN;
}

export const isText = (value: unknown): value is string => typeof value === "string";
