/**
 * Overrides: every environment variable and every flag, what each sets, and their values as config keys.
 *
 * The two lists are what README.md, `--help` and the parser of the arguments are made from or held
 * against. Judges no value: `schema.ts` does, whatever the value came from.
 */
import { resolve } from "node:path";
import { isVersionName, VERSION_NAME_RULE } from "../core/version.ts";
import { describeFound, type Problem } from "./problem.ts";

/** Environment variables and flags are text; this says what to make of it. */
type Kind = "text" | "number" | "path";

interface OverrideSpec {
  readonly name: string;
  /** The config key; null when it sets none. */
  readonly sets: string | null;
  readonly kind: Kind;
  readonly about: string;
}

export const ENVIRONMENT = [
  { name: "CONFIG_FILE", sets: null, kind: "path", about: "the config file; default config/config.yaml" },
  { name: "SERVER_HOST", sets: "server.host", kind: "text", about: "address to listen on" },
  { name: "SERVER_PORT", sets: "server.port", kind: "number", about: "port to listen on" },
  {
    name: "BACKEND_<NAME>",
    sets: "backends",
    kind: "text",
    about: "URL of version <name>; adds it, or replaces its URL or whole pool",
  },
  {
    name: "ACTIVE_VERSION",
    sets: "active_version",
    kind: "text",
    about: "version to start on without state",
  },
  { name: "WORKERS", sets: "server.workers", kind: "number", about: "number of workers, or auto" },
  {
    name: "STATE_DIR",
    sets: "state_dir",
    kind: "path",
    about: "folder of the state: active version, history, changes of backends",
  },
  { name: "ADMIN_HOST", sets: "admin.host", kind: "text", about: "address of the admin listener" },
  { name: "ADMIN_PORT", sets: "admin.port", kind: "number", about: "port of the admin listener" },
  { name: "ADMIN_SOCKET", sets: "admin.socket", kind: "path", about: "Unix socket of the admin API" },
  { name: "ADMIN_TOKEN", sets: "admin.token", kind: "text", about: "bearer token of the admin API" },
  {
    name: "LOG_LEVEL",
    sets: "log.level",
    kind: "text",
    about: "trace, debug, info, warn, error, fatal or silent",
  },
] as const satisfies readonly OverrideSpec[];

interface FlagSpec extends OverrideSpec {
  /** The placeholder of its value in the help text; null when it takes none. */
  readonly value: string | null;
  readonly short?: string;
  /** The one command that takes it; the drill takes no others. */
  readonly command?: string;
}

/** There is no flag for the token: every user of the machine can read the arguments of a process. */
export const FLAGS = [
  {
    name: "config",
    value: "FILE",
    sets: null,
    kind: "path",
    about: "the config file; default config/config.yaml",
  },
  { name: "host", value: "HOST", sets: "server.host", kind: "text", about: "address to listen on" },
  { name: "port", value: "PORT", sets: "server.port", kind: "number", about: "port to listen on" },
  {
    name: "backend",
    value: "NAME=URL",
    sets: "backends",
    kind: "text",
    about: "URL of a version; adds it, or replaces its URL or whole pool; repeatable",
  },
  {
    name: "active-version",
    value: "NAME",
    sets: "active_version",
    kind: "text",
    about: "version to start on without state",
  },
  {
    name: "workers",
    value: "N",
    sets: "server.workers",
    kind: "number",
    about: "number of workers, or auto",
  },
  {
    name: "state-dir",
    value: "DIR",
    sets: "state_dir",
    kind: "path",
    about: "folder of the state: active version, history, changes of backends",
  },
  {
    name: "admin-host",
    value: "HOST",
    sets: "admin.host",
    kind: "text",
    about: "address of the admin listener",
  },
  {
    name: "admin-port",
    value: "PORT",
    sets: "admin.port",
    kind: "number",
    about: "port of the admin listener",
  },
  {
    name: "log-level",
    value: "LEVEL",
    sets: "log.level",
    kind: "text",
    about: "trace, debug, info, warn, error, fatal or silent",
  },
  {
    name: "switches",
    value: "N",
    sets: null,
    kind: "number",
    command: "drill",
    about: "drill: how many switches and rollbacks; default 20",
  },
  {
    name: "json",
    value: null,
    sets: null,
    kind: "text",
    command: "drill",
    about: "drill: print the result as one JSON object",
  },
  {
    name: "limit",
    value: "N",
    sets: null,
    kind: "number",
    command: "history",
    about: "history: how many entries to list, 1 to 1000; default 50",
  },
  { name: "help", value: null, short: "h", sets: null, kind: "text", about: "print this text" },
  { name: "version", value: null, short: "v", sets: null, kind: "text", about: "print the version" },
] as const satisfies readonly FlagSpec[];

type ValueFlagName = Exclude<Extract<(typeof FLAGS)[number], { value: string }>["name"], "backend">;
/** The flags that were given, by name, as text. */
export type Flags = { readonly [Name in ValueFlagName]?: string } & {
  readonly backend?: readonly string[];
  readonly json?: true;
};
export type Environment = Readonly<Record<string, string | undefined>>;

/** One config key set from outside the file. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** The variable or the flag, for messages. */
  readonly where: string;
}

export interface Overrides {
  /** The later one wins. */
  readonly list: readonly Override[];
  readonly problems: readonly Problem[];
}

/** @param configured the names of the versions in the file, for `BACKEND_<NAME>`. */
export function overridesFromEnvironment(
  env: Environment,
  configured: readonly string[],
  cwd: string,
): Overrides {
  const list: Override[] = [];
  const problems: Problem[] = [];
  for (const { name, sets, kind } of ENVIRONMENT) {
    const value = env[name];
    if (sets === null || value === undefined || value === "") continue; // empty counts as not set
    list.push({ path: sets.split("."), value: typed(kind, value, cwd), where: name });
  }
  for (const [variable, url] of Object.entries(env)) {
    if (!variable.startsWith(BACKEND) || url === undefined || url === "") continue;
    if (isServiceLink(variable, url)) continue;
    const suffix = variable.slice(BACKEND.length);
    if (isVersionName(suffix)) {
      list.push({ path: ["backends", configuredName(suffix, configured)], value: url, where: variable });
    } else {
      problems.push({
        path: "backends",
        where: variable,
        text: `expected BACKEND_<NAME>: ${VERSION_NAME_RULE}`,
      });
    }
  }
  return { list, problems };
}

export function overridesFromFlags(flags: Flags, cwd: string): Overrides {
  const list: Override[] = [];
  const problems: Problem[] = [];
  for (const { name, sets, kind, value: placeholder } of FLAGS) {
    if (sets === null || placeholder === null || name === "backend") continue;
    const value = flags[name];
    if (value === undefined) continue;
    list.push({ path: sets.split("."), value: typed(kind, value, cwd), where: `--${name}` });
  }
  for (const pair of flags.backend ?? []) {
    const [, name = "", url = ""] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
    if (isVersionName(name)) {
      list.push({ path: ["backends", name], value: url, where: "--backend" });
    } else {
      const text = `expected NAME=URL with a name of ${VERSION_NAME_RULE}, found ${describeFound(pair)}`;
      problems.push({ path: "backends", where: "--backend", text });
    }
  }
  return { list, problems };
}

const BACKEND = "BACKEND_";

/** Of two configured names that differ only in case, the one written exactly so. */
function configuredName(suffix: string, configured: readonly string[]): string {
  const lower = suffix.toLowerCase();
  if (configured.includes(suffix)) return suffix;
  return configured.find((name) => name.toLowerCase() === lower) ?? lower;
}

/**
 * Whether Kubernetes (or a Docker link) made this variable for a service called `backend` or `backend-…`:
 * `BACKEND_V1_SERVICE_HOST=10.0.0.1`, `BACKEND_V1_PORT=tcp://10.0.0.1:80`. Nobody wrote it, so it must
 * not keep the daemon from starting.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
function isServiceLink(variable: string, value: string): boolean {
  if (/^https?:/i.test(value)) return false;
  return /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/.test(
    variable,
  );
}

function typed(kind: Kind, value: string, cwd: string): unknown {
  if (kind === "number" && /^-?\d{1,15}$/.test(value)) return Number(value);
  return kind === "path" && value !== "" ? resolve(cwd, value) : value;
}
