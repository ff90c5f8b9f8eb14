/**
 * Run: the commands that print something and end. `serve` and `drill` are not: they are left to `main.ts`.
 *
 * Leaves the process alone: text goes to the given outputs, the exit code is handed back.
 */
import { configFileOf, loadConfig } from "../config/load.ts";
import type { Environment } from "../config/overrides.ts";
import { packageVersion } from "../config/package-version.ts";
import { StartError } from "../core/errors.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { checkReport } from "./check.ts";
import { type DrillArguments, drillArguments } from "./drill-arguments.ts";
import { helpText } from "./help.ts";

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
export function run(argv: readonly string[], env: Environment, output: Output): number | LeftToMain {
  try {
    const parsed = parseArguments(argv);
    const { command, flags } = parsed;
    if (command === "serve") return { command };
    if (command === "drill") return { command, drill: drillArguments(flags) };
    output.out(textOf(parsed, env));
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    output.err(`${error.message}\n`);
    return error.exitCode;
  }
}

function textOf({ command, flags }: Arguments, env: Environment): string {
  if (command === "help") return helpText();
  if (command === "version") return `traffic-switching ${packageVersion()}\n`;
  const file = configFileOf({ file: flags.config, env });
  return checkReport(file, loadConfig({ file: flags.config, env, flags }));
}
