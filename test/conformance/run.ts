/**
 * The conformance suite as a program: `npm run conformance`, see --help.
 *
 * A black-box suite over raw sockets for any reverse proxy that forwards everything to the suite's own backend.
 * How to write a case: case.ts. What runs it: run-case.ts (one), stage.ts (all, one proxy), compare.ts (several
 * proxies side by side). How the others are set: peers/.
 */
import { writeFile } from "node:fs/promises";
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import type { Case } from "./case.ts";
import { CASES } from "./cases.ts";
import { type Contestant, compare, type Result } from "./compare.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { caddy } from "./peers/caddy.ts";
import { go } from "./peers/go.ts";
import { haproxy } from "./peers/haproxy.ts";
import { nginx } from "./peers/nginx.ts";
import { count, MARKS, type Table, toJson, toMarkdown, toText } from "./table.ts";
import { addressTarget } from "./targets/address.ts";
import { daemon } from "./targets/daemon.ts";

const PEERS = [nginx, haproxy, caddy, go];
const BAD_ARGUMENTS = 2;
/** A line of progress after so many cases. */
const PROGRESS_EVERY = 50;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | "help";
  try {
    options = parseOptions(args);
  } catch (error) {
    return badArguments(error instanceof Error ? error.message : String(error));
  }
  if (options === "help") {
    console.log(USAGE);
    return 0;
  }
  const cases = chooseCases(options.only);
  if (cases.length === 0) return badArguments(`no case contains ${JSON.stringify(options.only)}`);
  const ends: (() => Promise<void>)[] = [];
  const t: TestEnd = { after: (end) => ends.push(end) };
  onTestEnd(t, () => undefined); // the first one makes the stack that all others join
  try {
    const columns = await compare(t, cases, await contestantsOf(options), progress(cases.length));
    const table: Table = { date: new Date().toISOString().slice(0, 10), cases, columns };
    console.log(toText(table));
    if (options.jsonFile !== undefined) await writeFile(options.jsonFile, toJson(table));
    if (options.markdownFile !== undefined) await writeFile(options.markdownFile, toMarkdown(table));
    const [first] = columns;
    return first && count(first.results, "failed") === 0 ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    for (const end of ends) await end();
  }
}

function badArguments(message: string): number {
  console.error(`${message}\n\n${USAGE}`);
  return BAD_ARGUMENTS;
}

function chooseCases(only: string): readonly Case[] {
  return CASES.filter(({ promise, says }) => says.includes(only) || promise === only);
}

async function contestantsOf({ target, isWithPeers }: Options): Promise<Contestant[]> {
  if (target) {
    const isHere = ["127.0.0.1", "localhost"].includes(target.host);
    return [
      {
        target: addressTarget(target.host, target.port),
        version: "",
        backendPort: target.backendPort,
        backendHost: isHere ? "127.0.0.1" : "0.0.0.0",
      },
    ];
  }
  const contestants: Contestant[] = [];
  for (const one of [daemon, ...(isWithPeers ? PEERS : [])]) {
    const version = await one.version();
    if (version === undefined) console.log(`${one.name} is not installed: left out`);
    else contestants.push({ target: one, version });
  }
  return contestants;
}

/** Failures as they come, and how far each proxy is. */
function progress(total: number): (contestant: Contestant, one: Case, result: Result) => void {
  const ended = new Map<string, number>();
  return ({ target: { name } }, { says }, result) => {
    const number = (ended.get(name) ?? 0) + 1;
    ended.set(name, number);
    if (result.outcome === "failed") console.log(`${MARKS.failed} ${name}: ${says}\n    ${result.seen}`);
    if (number % PROGRESS_EVERY === 0 || number === total) console.log(`${name}: ${number} of ${total}`);
  };
}
