/**
 * Run: the commands that print something and end. `serve` and `drill` are not: they are left to `main.ts`.
 *
 * Leaves the process alone: text goes to the given outputs, the exit code is handed back.
 */
import { resolve } from "node:path";
import { configFileOf, loadConfig } from "../config/load.ts";
import type { Environment, Flags } from "../config/overrides.ts";
import { packageVersion } from "../config/package-version.ts";
import { MAX_LISTED } from "../control-plane/switch/inspect-state.ts";
import { StartError } from "../core/errors.ts";
import { type Arguments, parseArguments, UsageError } from "./arguments.ts";
import { checkReport } from "./check.ts";
import { type DrillArguments, drillArguments } from "./drill-arguments.ts";
import { helpText } from "./help.ts";
import { listSwitches, type Said, verifyHistory } from "./history.ts";

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** A command that goes on: nothing was done yet. */
export type LeftToMain =
  | { readonly command: "serve" }
  | { readonly command: "drill"; readonly drill: DrillArguments };

/**
 * @param argv without the runtime and the script.
 * @returns the exit code, or what is left to do.
 */
export async function run(
  argv: readonly string[],
  env: Environment,
  output: Output,
): Promise<number | LeftToMain> {
  try {
    const parsed = parseArguments(argv);
    const { command, flags } = parsed;
    if (command === "serve") return { command };
    if (command === "drill") return { command, drill: drillArguments(flags) };
    const { out, err = "", exitCode } = await carryOut(parsed, env);
    if (out !== "") output.out(out);
    if (err !== "") output.err(err);
    return exitCode;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    output.err(`${error.message}\n`);
    return error.exitCode;
  }
}

async function carryOut({ command, flags }: Arguments, env: Environment): Promise<Said> {
  switch (command) {
    case "history":
      return listSwitches(stateDirOf(flags, env), limitOf(flags.limit));
    case "history verify":
      return verifyHistory(stateDirOf(flags, env));
    case "help":
      return { out: helpText(), exitCode: 0 };
    case "version":
      return { out: `traffic-switching ${packageVersion()}\n`, exitCode: 0 };
    default: {
      const file = configFileOf({ file: flags.config, env });
      return { out: checkReport(file, loadConfig({ file: flags.config, env, flags })), exitCode: 0 };
    }
  }
}

/** A folder that is named needs no config: it may be a copy, on another machine. */
function stateDirOf(flags: Flags, env: Environment): string {
  const named = flags["state-dir"] ?? env.STATE_DIR;
  return named ? resolve(named) : loadConfig({ file: flags.config, env, flags }).stateDir;
}

function limitOf(given = "50"): number {
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= MAX_LISTED) return limit;
  throw new UsageError(`--limit takes a whole number from 1 to ${MAX_LISTED}`);
}
