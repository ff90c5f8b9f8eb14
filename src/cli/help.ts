/**
 * Help: the text of `traffic-switching help`, made from the same lists that the parsers use.
 *
 * Pure; prints nothing.
 */
import { ENVIRONMENT, FLAGS } from "../config/overrides.ts";
import { COMMANDS } from "./arguments.ts";

/** What the process ends with. */
export const EXIT_CODES = [
  { code: 0, about: "ended as asked; check: config good; drill: nothing lost; history verify: unchanged" },
  { code: 1, about: "cannot start, or failed; drill: something lost; history verify: a line changed" },
  { code: 2, about: "wrong command line or config" },
] as const;

type Row = readonly [name: string, about: string];

/** @returns lines of at most 100 columns, each ended. */
export function helpText(): string {
  const flags = FLAGS.map((flag): Row => {
    const short = "short" in flag ? `-${flag.short}, ` : "";
    return [`${short}--${flag.name}${flag.value === null ? "" : ` ${flag.value}`}`, flag.about];
  });
  return [
    "Reverse proxy that switches all traffic between versions of a service, each of one backend or more.",
    "",
    "Usage: traffic-switching [command] [flags]",
    ...table(
      "Commands:",
      COMMANDS.map((command): Row => [command.name, command.about]),
    ),
    ...table("Flags:", flags),
    ...table(
      "Environment (a flag wins over it, it wins over the file; empty is not set):",
      ENVIRONMENT.map((variable): Row => [variable.name, variable.about]),
    ),
    ...table(
      "Exit codes:",
      EXIT_CODES.map(({ code, about }): Row => [String(code), about]),
    ),
    "",
  ].join("\n");
}

function table(title: string, rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return ["", title, ...rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`)];
}
