/**
 * Pool files: what the versions keep in files of their own: modules of balancers, and the secrets of cookies.
 *
 * Runs at start only, over values that the schema may yet refuse. A module is looked at, never loaded here. Never
 * shows a secret, nor the path of its file: some write the secret itself there.
 */
import { resolve } from "node:path";
import { at, isText } from "./look-up.ts";
import { isCookieSecret, isModulePath, SECRET_RULE } from "./pool-values.ts";
import { isPath, isPlainObject } from "./section.ts";
import { fileRefusal, readTextFile } from "./text-file.ts";

const MAX_SECRET_FILE_BYTES = 64 * 1024;

export interface FoundPoolFiles {
  /** The absolute path of the balancer's module, by version; none for those that name a balancer. */
  readonly modules: ReadonlyMap<string, string>;
  /** What `secret_file` holds, by version. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly problems: readonly { readonly path: readonly PropertyKey[]; readonly text: string }[];
}

/** @param backends as they were given. @param folder what relative paths start from. */
export function findPoolFiles(backends: unknown, folder: string): FoundPoolFiles {
  const modules = new Map<string, string>();
  const secrets = new Map<string, string>();
  const problems: { path: readonly PropertyKey[]; text: string }[] = [];
  const refuse = (path: readonly PropertyKey[], refusal: string): void => {
    const text = `the file ${refusal}; a relative path starts from the folder of the config file`;
    problems.push({ path: ["backends", ...path], text });
  };
  for (const [version, pool] of isPlainObject(backends) ? Object.entries(backends) : []) {
    const algorithm = at(pool, "balance.algorithm");
    if (isText(algorithm) && isModulePath(algorithm)) {
      const module = resolve(folder, algorithm);
      modules.set(version, module);
      const refusal = fileRefusal(module);
      if (refusal !== null) refuse([version, "balance", "algorithm"], refusal);
    }
    const secret = secretIn(at(pool, "sticky.secret_file"), folder);
    if (secret === null) continue;
    if ("refusal" in secret) refuse([version, "sticky", "secret_file"], secret.refusal);
    else secrets.set(version, secret.text);
  }
  return { modules, secrets, problems };
}

/** null: there is no such file, or its path is the schema's to refuse. */
function secretIn(
  name: unknown,
  folder: string,
): { readonly text: string } | { readonly refusal: string } | null {
  if (!isText(name) || !isPath(name)) return null;
  const file = readTextFile(resolve(folder, name), MAX_SECRET_FILE_BYTES);
  if ("refusal" in file) return file;
  const text = file.text.trim();
  if (text === "") return { refusal: "is empty" };
  return isCookieSecret(text) ? { text } : { refusal: `does not hold a secret: ${SECRET_RULE}` };
}
