/**
 * Problem: one thing that is wrong with the config, and the error that carries all of them.
 *
 * Runs wherever a config is loaded. Formats only: what is wrong is found by `yaml-file.ts`, `schema.ts`
 * and `load.ts`.
 */
import { StartError } from "../core/errors.ts";

export interface Problem {
  /** `server.port`; empty when it concerns the file as a whole. */
  readonly path: string;
  /** Who set it: `line 3`, `SERVER_PORT`, `--port`; empty when nobody did. */
  readonly where: string;
  readonly text: string;
}

const MAX_LINES = 100; // more than that is not a config, but some other file

/** Every problem of one config at once, ready to print; exit code 2. */
export class ConfigError extends StartError {
  readonly problems: readonly Problem[];

  constructor(source: string, problems: readonly Problem[], options?: ErrorOptions) {
    const lines = problems.slice(0, MAX_LINES).map((problem) => `  ${format(problem)}`);
    if (problems.length > MAX_LINES) lines.push(`  and ${problems.length - MAX_LINES} more`);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(`${source}: ${count} in the config\n${lines.join("\n")}`, 2, options);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

function format({ path, where, text }: Problem): string {
  if (path === "") return where === "" ? text : `${where}: ${text}`;
  return where === "" ? `${path}: ${text}` : `${path} (${where}): ${text}`;
}

/** `["server", "trusted_proxies", 0]` as `server.trusted_proxies[0]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += (text === "" ? "" : ".") + quoteUnlessPlain(String(key));
  }
  return text;
}

/** Keeps a key from a file from drawing on the operator's terminal or filling it. */
function quoteUnlessPlain(key: string): string {
  return /^[\w-][\w.-]{0,63}$/.test(key) ? key : shortened(key);
}

/** What was found, short enough for a line and without what may be a secret. */
export function describeFound(value: unknown): string {
  if (typeof value !== "string") return kindOf(value);
  // user:password@host is a secret wherever it stands, and a query often holds a key.
  if (value.includes("@")) return "text with an @ (not shown: it may hold a password)";
  return shortened(value.replace(/[?#].+/s, (rest) => `${rest.charAt(0)}…`));
}

/** The kind of a value, and the value itself where it cannot be long or secret. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "string") return "text";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : String(value);
}

function shortened(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
