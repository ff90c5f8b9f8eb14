/**
 * Load: config file, environment and flags to one checked, frozen `Config`.
 *
 * Runs in the primary at start, and in `check`. Flag > environment > file > default. Reports every problem
 * at once; opens the config file and the files of tokens, secrets and TLS that it names, nothing else; looks
 * whether the modules of balancers are there.
 */
import { randomBytes } from "node:crypto";
import { dirname, resolve } from "node:path";
import "./jitless.ts";
import { problemsOf } from "./issues.ts";
import {
  type Environment,
  type Flags,
  type Override,
  overridesFromEnvironment,
  overridesFromFlags,
} from "./overrides.ts";
import { findPoolFiles } from "./pool-files.ts";
import { ConfigError, type Problem, pathText } from "./problem.ts";
import { type Config, settingsSchema } from "./schema.ts";
import { findTls } from "./tls-files.ts";
import { toConfig } from "./to-config.ts";
import { findTokens } from "./token-files.ts";
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
  const folder = dirname(path);
  const tokens = findTokens(valueAt(given, ["admin"]), folder);
  const tls = findTls(valueAt(given, ["admin", "tls"]), folder);
  const poolFiles = findPoolFiles(valueAt(given, ["backends"]), folder);
  const adminSocket = parsed.success && parsed.data.admin.socket;
  const socketPath = adminSocket ? resolve(folder, adminSocket) : null;
  const problems: Problem[] = [...file.problems, ...fromEnvironment.problems, ...fromFlags.problems];
  if (!parsed.success) {
    problems.push(...problemsOf(parsed.error.issues, { found: (keys) => valueAt(given, keys), where }));
  }
  for (const { path: keys, text } of [
    ...tokens.problems,
    ...tls.problems,
    ...poolFiles.problems,
    ...socketProblems(socketPath),
  ]) {
    problems.push({ path: pathText(keys), where: where(keys), text });
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(name, problems);

  const stateDir = resolve(folder, parsed.data.state_dir);
  // Of two daemons in a row, the second must not take the first one's name for its own and see a loop.
  const ownName = `traffic-switching-${options.ownId ?? randomBytes(4).toString("hex")}`;
  return deepFreeze(
    toConfig(parsed.data, { stateDir, socketPath, tokens, tls: tls.texts, poolFiles, ownName }),
  );
}

/** What fits into `sun_path` (unix(7)), with room for the other name that a stale one gets for a moment. */
const MAX_SOCKET_PATH_BYTES = 100;

function socketProblems(path: string | null) {
  const bytes = Buffer.byteLength(path ?? "");
  if (bytes <= MAX_SOCKET_PATH_BYTES) return [];
  const text = `its whole path has ${bytes} bytes, and may have ${MAX_SOCKET_PATH_BYTES}; choose a shorter one, such as /run/traffic-switching.sock`;
  return [{ path: ["admin", "socket"], text }];
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
