/**
 * Run: the commands that print something and end. `serve` is not one of them: `main.ts` does that.
 *
 * Leaves the process alone: text goes to the given outputs, the exit code is handed back.
 */
import { configFileOf, loadConfig } from "../config/load.ts";
import type { Environment } from "../config/overrides.ts";
import { packageVersion } from "../config/package-version.ts";
import { StartError } from "../core/errors.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { checkReport } from "./check.ts";
import { helpText } from "./help.ts";

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/**
 * @param argv without the runtime and the script.
 * @returns the exit code; null when the command is `serve` and nothing was done.
 */
export function run(argv: readonly string[], env: Environment, output: Output): number | null {
  try {
    const parsed = parseArguments(argv);
    if (parsed.command === "serve") return null;
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
