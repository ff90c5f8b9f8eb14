/**
 * Run: the commands that print something and end. `serve` and `drill` are not: they are left to `main.ts`.
 *
 * Leaves the process alone: text goes to the given outputs, the exit code is handed back.
 */
import type { Environment, Flags } from "../config/overrides.ts";
import { StartError } from "../core/errors.ts";
import { parseArguments } from "./arguments.ts";
import { type DrillArguments, drillArguments } from "./drill-arguments.ts";

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** A command that goes on: nothing was done yet. */
export type LeftToMain =
  | { readonly command: "serve"; readonly flags: Flags }
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
    if (command === "serve") return { command, flags };
    if (command === "drill") return { command, drill: drillArguments(flags) };
    const { carryOut } = await import("./commands.ts");
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
