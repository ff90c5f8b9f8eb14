/**
 * Load: config file, environment and flags to one checked, frozen `Config`.
 *
 * Runs in the primary at start, and in `check`. Flag > environment > file > default. Reports every problem
 * at once; opens the config file and the token file, nothing else.
 */
import { randomBytes } from "node:crypto";
import { dirname, resolve } from "node:path";
import { problemsOf } from "./issues.ts";
import {
  type Environment,
  type Flags,
  type Override,
  overridesFromEnvironment,
  overridesFromFlags,
} from "./overrides.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { type Config, isToken, settingsSchema, TOKEN_RULE } from "./schema.ts";
import { readTextFile } from "./text-file.ts";
import { toConfig } from "./to-config.ts";
import { readYamlFile } from "./yaml-file.ts";

export const DEFAULT_CONFIG_FILE = "config/config.yaml";

export interface LoadOptions {
  /** `--config`; without it CONFIG_FILE, else `config/config.yaml`. */
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags?: Flags;
  /** What relative paths of the environment and the flags start from. */
  readonly cwd?: string;
  /** 8 hex digits that this daemon's own name ends in; random without them. */
  readonly ownId?: string;
}

/** The file that `loadConfig` reads for the same options, as the operator named it. */
export function configFileOf({ file, env }: Pick<LoadOptions, "file" | "env">): string {
  return file ?? (env.CONFIG_FILE || DEFAULT_CONFIG_FILE);
}

/** @throws ConfigError with every problem that was found. */
export function loadConfig(options: LoadOptions): Config {
  const { env, flags = {}, cwd = process.cwd() } = options;
  const name = configFileOf(options);
  const path = resolve(cwd, name);
  const file = readYamlFile(name, path);

  const fromEnvironment = overridesFromEnvironment(env, keysOf(file.value.backends), cwd);
  const fromFlags = overridesFromFlags(flags, cwd);
  const overrides = [...fromEnvironment.list, ...fromFlags.list];
  const given = overrides.reduce(applyOverride, file.value);
  const where = (keys: readonly PropertyKey[]) =>
    overrides.findLast((override) => isSamePath(override.path, keys))?.where ?? file.where(keys);

  const parsed = settingsSchema.safeParse(given);
  const token = readToken(given, dirname(path));
  const problems: Problem[] = [...file.problems, ...fromEnvironment.problems, ...fromFlags.problems];
  if (!parsed.success) {
    problems.push(...problemsOf(parsed.error.issues, { found: (keys) => valueAt(given, keys), where }));
  }
  if ("refusal" in token) {
    const text = `the file ${token.refusal}; a relative path starts from the folder of the config file`;
    problems.push({ path: "admin.token_file", where: where(["admin", "token_file"]), text });
  }
  if (!parsed.success || "refusal" in token || problems.length > 0) throw new ConfigError(name, problems);

  const stateDir = resolve(dirname(path), parsed.data.state_dir);
  // Of two daemons in a row, the second must not take the first one's name for its own and see a loop.
  const ownName = `traffic-switching-${options.ownId ?? randomBytes(4).toString("hex")}`;
  return deepFreeze(toConfig(parsed.data, { stateDir, tokenFromFile: token.value, ownName }));
}

/** The value of `admin.token_file`'s file. Its path is never shown: some write the token itself there. */
function readToken(
  given: unknown,
  folder: string,
): { readonly value: string | null } | { readonly refusal: string } {
  const name = valueAt(given, ["admin", "token_file"]);
  if (typeof name !== "string" || name.includes("\0") || name.trim() === "") return { value: null };
  const file = readTextFile(resolve(folder, name), 64 * 1024);
  if ("refusal" in file) return file;
  const token = file.text.trim();
  if (token === "") return { refusal: "is empty" };
  return isToken(token) ? { value: token } : { refusal: `does not hold a token: ${TOKEN_RULE}` };
}

type Data = Readonly<Record<string, unknown>>;

function applyOverride(given: Data, { path, value }: Override): Data {
  const next = withValue(given, path, value);
  // The token of the environment takes the place of either way to give it in the file.
  const isToken = isSamePath(path, ["admin", "token"]);
  return isToken ? withValue(next, ["admin", "token_file"], null) : next;
}

/** A copy with `value` at `path`. A section that is no map stays as it is: the schema refuses it. */
function withValue(given: Data, [key, ...rest]: readonly string[], value: unknown): Data {
  if (key === undefined) return given;
  if (rest.length === 0) return { ...given, [key]: value };
  const inner = (Object.hasOwn(given, key) ? given[key] : undefined) ?? {};
  return isData(inner) ? { ...given, [key]: withValue(inner, rest, value) } : given;
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function keysOf(value: unknown): readonly string[] {
  return isData(value) ? Object.keys(value) : [];
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSamePath(a: readonly PropertyKey[], b: readonly PropertyKey[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
