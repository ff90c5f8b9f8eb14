/**
 * Arguments: the command line as a command and its flags.
 *
 * Pure. Knows which flags exist (`config/overrides.ts` lists them), not which values are good: the config
 * schema says that, together with every other problem.
 */
import { parseArgs } from "node:util";
import { nearest } from "../config/nearest.ts";
import { FLAGS, type Flags } from "../config/overrides.ts";
import { StartError } from "../core/errors.ts";

export const COMMANDS = [
  { name: "serve", about: "run the daemon (the default)" },
  { name: "check", about: "check the config, say what would run, and exit" },
  { name: "drill", about: "switch a daemon of its own under load, say what was lost, and exit" },
  { name: "history", about: "list the last switches and changes of backends" },
  { name: "history verify", about: "check that no line of the history was changed, and exit" },
  { name: "help", about: "print this text" },
  { name: "version", about: "print the version" },
] as const;

export type Command = (typeof COMMANDS)[number]["name"];

export interface Arguments {
  readonly command: Command;
  readonly flags: Flags;
}

/** A command line that cannot be understood; exit code 2. */
export class UsageError extends StartError {
  constructor(text: string) {
    super(`${text}\nsee traffic-switching --help`, 2);
    this.name = "UsageError";
  }
}

/**
 * @param argv without the runtime and the script: `process.argv.slice(2)`.
 * @throws UsageError on the first thing that is not understood; `--help` before or after it wins.
 */
export function parseArguments(argv: readonly string[]): Arguments {
  const { tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: false, tokens: true });
  const isGiven = (name: string) => tokens.some((token) => token.kind === "option" && token.name === name);
  if (isGiven("help")) return { command: "help", flags: {} };
  if (isGiven("version")) return { command: "version", flags: {} };

  const positionals: string[] = [];
  const values = new Map<string, string | true>();
  const backends: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const flag = flagOf(token);
    if (flag.value === null) values.set(token.name, true);
    else if (token.name === "backend") backends.push(flagValue(token, flag.value));
    else values.set(token.name, flagValue(token, flag.value)); // given twice: the last one counts
  }
  const command = commandOf(positionals);
  for (const token of tokens) if (token.kind === "option") checkTaken(command, token.name);
  const flags: Flags = Object.fromEntries(values);
  return { command, flags: backends.length > 0 ? { ...flags, backend: backends } : flags };
}

const OPTIONS = Object.fromEntries(
  FLAGS.map((flag) => [
    flag.name,
    {
      type: flag.value === null ? ("boolean" as const) : ("string" as const),
      multiple: true,
      ...("short" in flag ? { short: flag.short } : {}),
    },
  ]),
);

interface OptionToken {
  readonly name: string;
  /** As it was written: `--port`, `-p`. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

type Flag = (typeof FLAGS)[number];

/** Names a flag that is not known, never its value: somebody may have tried to hand in a token. */
function flagOf({ name, rawName }: OptionToken): Flag {
  const flag = FLAGS.find((known) => known.name === name);
  if (flag === undefined) {
    const near = nearest(
      name,
      FLAGS.map((known) => known.name),
    );
    throw new UsageError(`unknown flag ${rawName}${near === undefined ? "" : `; did you mean --${near}?`}`);
  }
  return flag;
}

/** @param placeholder of the value, in the help text. */
function flagValue({ name, rawName, value, inlineValue }: OptionToken, placeholder: string): string {
  // `--port --host x` is a forgotten port, not a port called --host; `--port=--x` is meant so.
  const isMissing = value === undefined || value === "" || (inlineValue !== true && value.startsWith("--"));
  if (isMissing) throw new UsageError(`${rawName} needs a value: --${name} ${placeholder}`);
  return value;
}

/** The drill runs a daemon of its own: a flag of the daemon would be ignored there. */
function checkTaken(command: Command, name: string): void {
  const owner = FLAGS.flatMap((flag) => (flag.name === name && "command" in flag ? flag.command : [])).at(0);
  if (owner === undefined ? command !== "drill" : owner === command) return;
  throw new UsageError(`--${name} is no flag of ${command}`);
}

/** The longest command that the words begin with: some have two. */
function commandOf(positionals: readonly string[]): Command {
  const words = positionals.length === 0 ? ["serve"] : positionals;
  const fitting = COMMANDS.filter(({ name }) =>
    name.split(" ").every((word, index) => word === words[index]),
  );
  const [command] = fitting.toSorted((a, b) => b.name.length - a.name.length);
  if (command === undefined) throw unknownCommand(words[0] ?? "");
  const extra = words[command.name.split(" ").length];
  if (extra === undefined) return command.name;
  const hasMore = COMMANDS.some(({ name }) => name.startsWith(`${command.name} `));
  if (hasMore) throw unknownCommand(`${command.name} ${extra}`);
  throw new UsageError(`unexpected argument ${JSON.stringify(extra.slice(0, 60))}`);
}

function unknownCommand(given: string): UsageError {
  const names = COMMANDS.map(({ name }) => name);
  const near = nearest(given, names);
  const hint = near === undefined ? `known are ${names.join(", ")}` : `did you mean ${near}?`;
  return new UsageError(`unknown command ${JSON.stringify(given.slice(0, 60))}; ${hint}`);
}
