/**
 * Tokens of the admin API, wherever the operator keeps them: in the config itself, or in a file of their own.
 *
 * Runs at start only, over values that the schema may yet refuse. Never shows a token, nor the path of a token's
 * file: some write the token itself there.
 */
import { resolve } from "node:path";
import { isToken, TOKEN_RULE } from "./schema.ts";
import { readTextFile } from "./text-file.ts";

const MAX_FILE_BYTES = 64 * 1024;

export interface FoundTokens {
  /** Of `admin.token` or `admin.token_file`; null when there is none. */
  readonly main: string | null;
  /** Of `admin.tokens`, by position; null for one that could not be read. */
  readonly named: readonly (string | null)[];
  readonly problems: readonly { readonly path: readonly PropertyKey[]; readonly text: string }[];
}

/** @param folder what relative paths start from. */
export function findTokens(admin: unknown, folder: string): FoundTokens {
  const problems: { path: readonly PropertyKey[]; text: string }[] = [];
  const firstAt = new Map<string, string>();
  const tokenAt = (holder: unknown, path: readonly PropertyKey[], called: string): string | null => {
    const found = tokenOf(holder, folder);
    if ("refusal" in found) {
      const text = `the file ${found.refusal}; a relative path starts from the folder of the config file`;
      problems.push({ path: [...path, "token_file"], text });
      return null;
    }
    if (found.value === null) return null;
    const first = firstAt.get(found.value);
    if (first === undefined) firstAt.set(found.value, called);
    else {
      const text = `is the same token as ${first}; each needs one of its own, or nobody can tell who called`;
      problems.push({ path, text });
    }
    return found.value;
  };
  const main = tokenAt(admin, ["admin"], "admin.token");
  const list = isData(admin) && Array.isArray(admin.tokens) ? admin.tokens : [];
  const named = list.map((item, index) =>
    tokenAt(item, ["admin", "tokens", index], `admin.tokens[${index}]`),
  );
  return { main, named, problems };
}

type Found = { readonly value: string | null } | { readonly refusal: string };

/** Of whatever has a `token` and a `token_file`. What is wrong with their form is the schema's to say. */
function tokenOf(holder: unknown, folder: string): Found {
  if (!isData(holder)) return { value: null };
  const { token, token_file: name } = holder;
  if (typeof token === "string") return { value: isToken(token) ? token : null };
  if (typeof name !== "string" || name.includes("\0") || name.trim() === "") return { value: null };
  const file = readTextFile(resolve(folder, name), MAX_FILE_BYTES);
  if ("refusal" in file) return file;
  const text = file.text.trim();
  if (text === "") return { refusal: "is empty" };
  return isToken(text) ? { value: text } : { refusal: `does not hold a token: ${TOKEN_RULE}` };
}

function isData(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
