/**
 * A Dockerfile as data: stages, each a list of instructions. Pure.
 *
 * Reads what ours uses. What it does not know (here-documents, variables, ONBUILD, ...) is an error, so that a
 * replay never passes over a line that an engine would obey.
 *
 * @see https://docs.docker.com/reference/dockerfile/
 */

const KNOWN = /^(FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD|LABEL)$/;

export interface Instruction {
  readonly name: string;
  /** `--from=build` as from: build. */
  readonly flags: Readonly<Record<string, string>>;
  /** What follows the name and its flags. */
  readonly text: string;
  readonly line: number;
}

export interface Stage {
  readonly image: string;
  /** After `AS`; empty when it has none. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** @throws Error that names the line, for everything it does not understand. */
export function parseDockerfile(text: string): Stage[] {
  const stages: { image: string; name: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsOf(text)) {
    if (instruction.name === "FROM") {
      const [, image = "", name = ""] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(instruction.text) ?? [];
      if (image === "") throw unreadable(instruction.line, instruction.text);
      stages.push({ image, name, instructions: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (!stage) throw unreadable(instruction.line, `${instruction.name} before FROM`);
    stage.instructions.push(instruction);
  }
  return stages;
}

/** The exec form: `["node", "main.js"]`. Null for the shell form. */
export function execForm(text: string): string[] | null {
  if (!text.startsWith("[")) return null;
  try {
    const words: unknown = JSON.parse(text);
    const isList = Array.isArray(words) && words.every((word) => typeof word === "string");
    return isList ? words : null;
  } catch {
    return null; // an engine takes it for the shell form too
  }
}

/** `A=b C="d e"`. */
export function environmentOf({ text, line }: Instruction): Record<string, string> {
  const pairs = text.match(/[A-Z_]\w*=(?:"[^"]*"|\S*)/g) ?? [];
  if (pairs.join(" ") !== text.replace(/\s+/g, " ")) throw unreadable(line, text);
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1).replace(/^"(.*)"$/, "$1")];
    }),
  );
}

function instructionsOf(text: string): Instruction[] {
  const instructions: Instruction[] = [];
  let joined = "";
  let start = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    if (joined === "") start = index + 1;
    joined += line.replace(/\\\s*$/, " ");
    if (/\\\s*$/.test(line)) continue;
    instructions.push(instructionOf(joined.trim(), start));
    joined = "";
  }
  if (joined !== "") throw unreadable(start, "a line that goes on, at the end");
  return instructions;
}

function instructionOf(joined: string, line: number): Instruction {
  const [, name = "", rest = ""] = /^(\w+)\s+(.+)$/s.exec(joined) ?? [];
  if (!KNOWN.test(name)) throw unreadable(line, joined);
  const flags: Record<string, string> = {};
  const text = rest.replace(/^(?:--([a-z-]+)=(\S+)\s+)+/, (all) => {
    for (const [, key = "", value = ""] of all.matchAll(/--([a-z-]+)=(\S+)/g)) flags[key] = value;
    return "";
  });
  if (text.includes("<<") || (name !== "RUN" && text.includes("$"))) throw unreadable(line, joined);
  return { name, flags, text, line };
}

function unreadable(line: number, text: string): Error {
  return new Error(`Dockerfile:${line}: the replay does not understand: ${text}`);
}
