/**
 * Commands: those that print something and end, once it is known that one of them is wanted: a daemon that starts
 * does without this file and what it needs.
 */
import { resolve } from "node:path";
import { configFileOf, loadConfig } from "../config/load.ts";
import type { Environment, Flags } from "../config/overrides.ts";
import { packageVersion } from "../config/package-version.ts";
import { MAX_LISTED } from "../control-plane/switch/inspect-state.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { checkReport } from "./check.ts";
import { helpText } from "./help.ts";
import { listSwitches, type Said, verifyHistory } from "./history.ts";

export async function carryOut({ command, flags }: Arguments, env: Environment): Promise<Said> {
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
