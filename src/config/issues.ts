/**
 * Issues: what zod found wrong, as problems in our words.
 *
 * Pure. Adds what zod does not know: who set the value, what it was, and which key was probably meant.
 */
import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { POOL_KEY_PATHS } from "./pool-schema.ts";
import { describeFound, kindOf, type Problem, pathText } from "./problem.ts";
import { ITEM_KEYS, KEY_PATHS } from "./schema.ts";

export interface IssueContext {
  /** The value at a path as it was given. */
  found(path: readonly PropertyKey[]): unknown;
  /** Who set the value at a path; empty when nobody did. */
  where(path: readonly PropertyKey[]): string;
}

export function problemsOf(issues: readonly z.core.$ZodIssue[], context: IssueContext): Problem[] {
  return issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey([...issue.path, key], context))
      : [
          {
            path: pathText(shownPath(issue.path)),
            where: context.where(issue.path),
            text: textOf(issue, context),
          },
        ],
  );
}

/** Their values, and all below them. Also the files of tokens and keys, and all beside a token: some write it there. */
const SECRETS = [
  /^admin\.(token|token_file|tls\.\w+_file)$/,
  /^admin\.tokens\[\d+\]\./,
  /^switch\.probe\.headers(\.|$)/,
  /^backends\..+\.health\.headers(\.|$)/,
  /^backends\..+\.sticky\.(secret|secret_file)$/,
];

function isSecret(path: readonly PropertyKey[]): boolean {
  return SECRETS.some((secret) => secret.test(pathText(path)));
}

/** Where a name below a secret belongs, a whole line may stand by mistake: `"Authorization: Bearer …"`. */
function shownPath(path: readonly PropertyKey[]): readonly PropertyKey[] {
  const isShown = !isSecret(path) || /^[\w-]{1,64}$/.test(String(path.at(-1)));
  return isShown ? path : path.slice(0, -1);
}

function textOf(issue: z.core.$ZodIssue, context: IssueContext): string {
  const params = issue.code === "custom" ? issue.params : undefined;
  if (params?.isRule === true) return issue.message;
  const found = context.found(issue.path);
  const name = issue.path.at(-1);
  // A version's name is refused at the path of its URL.
  if (issue.path[0] === "backends" && issue.message.startsWith("a version name")) {
    return `expected ${issue.message}, found ${describeFound(name)}`;
  }
  // A whole section written as one text may hold anything.
  const isShown = issue.code !== "invalid_type" && !isSecret(issue.path);
  const hint = typeof params?.hint === "string" && params.hint !== "" ? `; ${params.hint}` : "";
  if (found === undefined) return `expected ${issue.message}, but it is missing`;
  return `expected ${issue.message}, found ${isShown ? describeFound(found) : hidden(found)}${hint}`;
}

function hidden(found: unknown): string {
  if (found === null || typeof found === "boolean") return kindOf(found); // no secret
  return typeof found === "number" ? "a number (not shown)" : `${kindOf(found)} (not shown)`;
}

function unknownKey(path: readonly PropertyKey[], context: IssueContext): Problem {
  const parent = path.slice(0, -1);
  const where = context.where(path);
  // `{ <the token>: admin }`: only what looks like a key of ours is shown there.
  const isHidden = isSecret(path) && nearest(String(path.at(-1)), childrenOf(parent)) === undefined;
  if (isHidden)
    return { path: pathText(parent), where, text: `unknown key (not shown); ${suggestion(path)}` };
  return { path: pathText(path), where, text: `unknown key; ${suggestion(path)}` };
}

/** The nearest key beside it, else the same key elsewhere, else all that are known here. */
function suggestion(path: readonly PropertyKey[]): string {
  const name = String(path.at(-1));
  const siblings = childrenOf(path.slice(0, -1));
  const near = nearest(name, siblings);
  if (near !== undefined) return `did you mean "${near}"?`;
  const endsSo = (known: string): boolean => known.endsWith(`.${name}`);
  const inVersion = isInVersion(path) ? POOL_KEY_PATHS.filter(endsSo) : [];
  const elsewhere = inVersion.length > 0 ? inVersion : KEY_PATHS.filter(endsSo);
  if (elsewhere.length > 0 && elsewhere.length <= 3) return `did you mean ${elsewhere.join(" or ")}?`;
  return `known here: ${siblings.join(", ")}`;
}

/** The keys of a version have a list of their own. */
const isInVersion = (path: readonly PropertyKey[]): boolean => path[0] === "backends" && path.length > 2;

function childrenOf(section: readonly PropertyKey[]): readonly string[] {
  const text = pathText(section);
  const inItem = ITEM_KEYS[text.replace(/\[\d+\]$/, "")];
  if (inItem !== undefined) return inItem;
  const isVersions = section[0] === "backends" && section.length > 1;
  const parent = isVersions ? pathText(section.slice(2)).replace(/\[\d+\]$/, "[]") : text;
  const start = parent === "" ? "" : `${parent}.`;
  const inside = (isVersions ? POOL_KEY_PATHS : KEY_PATHS).filter((path) => path.startsWith(start));
  return [...new Set(inside.map((path) => path.slice(start.length).split(/\.|\[/, 1)[0] ?? ""))];
}
