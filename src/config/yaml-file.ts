/**
 * YAML file: the config file as plain data, with the line of every key.
 *
 * Runs at start only. Knows YAML, not our keys. Never quotes the file in a message: the line beside a
 * mistake may hold a secret, and the library's own messages quote.
 */

import type { ErrorCode, Node } from "yaml";
import { isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { ConfigError, type Problem, pathText } from "./problem.ts";
import { readTextFile } from "./text-file.ts";

export interface YamlFile {
  /** The top-level map. */
  readonly value: Readonly<Record<string, unknown>>;
  /** What is wrong but did not keep the file from being read: duplicate keys. */
  readonly problems: readonly Problem[];
  /** `line 3` of the key at `path`, else of the nearest key above it; empty when there is none. */
  where(path: readonly PropertyKey[]): string;
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_DEPTH = 20; // ours is 5; past some thousands the recursion would end the process
const MAX_KEYS = 30_000; // of a file of 1 MiB that is not a config; 4,000 targets have up to 20,000
const MAX_SYNTAX_PROBLEMS = 5; // one open quote upsets all lines after it

/**
 * @param name the file as the operator named it, for messages.
 * @throws ConfigError when the file cannot be read or is not one YAML map.
 */
export function readYamlFile(name: string, path: string): YamlFile {
  const file = readTextFile(path, MAX_FILE_BYTES);
  if ("refusal" in file) {
    const text = `the file ${file.refusal}; name another with --config FILE or CONFIG_FILE`;
    throw new ConfigError(name, [{ path: "", where: "", text }], { cause: file.cause });
  }
  return parseYaml(name, file.text);
}

function parseYaml(name: string, text: string): YamlFile {
  const lines = new LineCounter();
  const fail = (problems: readonly Problem[], cause?: unknown) => new ConfigError(name, problems, { cause });
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false, // they quote the file
    uniqueKeys: false, // compares every pair of keys: minutes for a file of 1 MiB; `survey` does it
    stringKeys: true,
    resolveKnownTags: false,
    logLevel: "error",
  });
  const syntax = new Map<string, Problem>(); // by line: the others of a line are its echo
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    const where = `line ${lines.linePos(pos[0]).line}`;
    if (!syntax.has(where)) syntax.set(where, { path: "", where, text: SYNTAX_PROBLEMS[code] });
  }
  if (syntax.size > 0) throw fail([...syntax.values()].slice(0, MAX_SYNTAX_PROBLEMS));
  if (isNothing(document.contents)) {
    throw fail([{ path: "", where: "", text: "the file is empty; backends and active_version are needed" }]);
  }
  if (!isMap(document.contents)) {
    throw fail([{ path: "", where: "line 1", text: "expected keys such as server and backends at the top" }]);
  }

  const { problems, lineByPath, tooMuch } = survey(document.contents, lines);
  if (tooMuch !== undefined) {
    throw fail([{ path: "", where: "", text: `${tooMuch}; is this the right file?` }]);
  }
  let value: Record<string, unknown>;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    // The one thing left that makes toJS throw, apart from an alias to nothing, which is in `problems`.
    const bomb = { path: "", where: "", text: "aliases (*name) repeat too much; write the values out" };
    throw fail(problems.length > 0 ? problems : [bomb], cause);
  }
  const where = (path: readonly PropertyKey[]): string =>
    path.length === 0 ? "" : lineByPath.get(pathId(path)) || where(path.slice(0, -1));
  return { value, problems, where };
}

function isNothing(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

/** One walk over the file: the line of every key, duplicate keys, aliases to nothing. Follows no alias, so it ends. */
function survey(root: Node, lines: LineCounter) {
  const problems: Problem[] = [];
  const lineByPath = new Map<string, string>();
  const anchors = new Set<string>();
  let tooMuch: string | undefined;
  const visit = (node: unknown, path: readonly PropertyKey[]): void => {
    if (path.length > MAX_DEPTH) tooMuch = SYNTAX_PROBLEMS.RESOURCE_EXHAUSTION;
    if (lineByPath.size > MAX_KEYS) tooMuch = `more than ${MAX_KEYS} keys and list items`;
    if (tooMuch !== undefined) return;
    if (isAlias(node) && !anchors.has(node.source)) {
      const text = "alias (*name) without an anchor (&name) before it";
      problems.push({ path: pathText(path), where: lineOf(node, lines), text });
    }
    if ((isScalar(node) || isCollection(node)) && node.anchor) anchors.add(node.anchor);
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        lineByPath.set(pathId([...path, index]), lineOf(item, lines));
        visit(item, [...path, index]);
      }
    }
    if (!isMap(node)) return;
    const firstAt = new Map<string, string>();
    for (const { key, value } of node.items) {
      const inner = [...path, keyText(key)];
      const where = lineOf(key, lines);
      const first = firstAt.get(keyText(key));
      if (first === undefined) firstAt.set(keyText(key), where);
      else problems.push({ path: pathText(inner), where, text: `duplicate key, first on ${first}` });
      lineByPath.set(pathId(inner), where); // of two, the last: its value is the one that is checked
      visit(value, inner);
    }
  };
  visit(root, []);
  return { problems, lineByPath, tooMuch };
}

/** No key can be mistaken for a path of two, whatever it holds. */
const pathId = (path: readonly PropertyKey[]): string => JSON.stringify(path);

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function lineOf(node: unknown, lines: LineCounter): string {
  if (!isScalar(node) && !isCollection(node) && !isAlias(node)) return "";
  return node.range ? `line ${lines.linePos(node.range[0]).line}` : "";
}

/** Our own words for each code of the library. */
const SYNTAX_PROBLEMS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: "an alias (*name) cannot have an anchor or a tag",
  BAD_ALIAS: "an alias or anchor needs a name of letters and digits",
  BAD_COLLECTION_TYPE: "the tag does not fit the value",
  BAD_DIRECTIVE: "a directive (%…) that is not understood",
  BAD_DQ_ESCAPE: "an unknown escape (\\…) in a \"…\" text; use '…' to take it as it is",
  BAD_INDENT: "the indentation does not fit, or a bracket is not closed",
  BAD_PROP_ORDER: "an anchor or tag stands in the wrong place",
  BAD_SCALAR_START: "a value cannot start with this character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a second key on one line, or a line indented too far",
  BLOCK_IN_FLOW: "an indented block inside brackets",
  DUPLICATE_KEY: "duplicate key",
  IMPOSSIBLE: "not valid YAML",
  KEY_OVER_1024_CHARS: "a key of more than 1024 characters",
  MISSING_CHAR: "a quote, bracket, comma, colon or space is missing",
  MULTILINE_IMPLICIT_KEY: "a key without a colon, or an indentation that does not fit",
  MULTIPLE_ANCHORS: "a value with more than one anchor",
  MULTIPLE_DOCS: "a second document (---); the file must hold one",
  MULTIPLE_TAGS: "a value with more than one tag",
  NON_STRING_KEY: "a key must be plain text",
  RESOURCE_EXHAUSTION: "nested too deeply",
  TAB_AS_INDENT: "a tab in the indentation; use spaces",
  TAG_RESOLVE_FAILED: "tags (!name) are not used here",
  UNEXPECTED_TOKEN: "something stands here that does not belong; is a quote or bracket missing?",
};
