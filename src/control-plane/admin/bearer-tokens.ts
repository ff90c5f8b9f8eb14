/**
 * Bearer tokens: whose token a call carries. Keeps digests only, so that no token can get into a log from here.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Config } from "../../config/schema.ts";
import type { Caller } from "./caller.ts";

const BEARER = /^Bearer +(\S.*)$/i;

export class BearerTokens {
  readonly #known: readonly { readonly digest: Buffer; readonly caller: Caller }[];

  constructor({ token, tokens }: Pick<Config["admin"], "token" | "tokens">) {
    const main = token === null ? [] : [{ token, actor: "token", role: "admin" as const }];
    const named = tokens.map(({ name, role, token }) => ({ token, actor: `token:${name}`, role }));
    this.#known = [...main, ...named].map(({ token, actor, role }) => ({
      digest: sha256(Buffer.from(token)),
      caller: { actor, role },
    }));
  }

  get isEmpty(): boolean {
    return this.#known.length === 0;
  }

  /** Compares with every token, whichever matches, so that the time does not tell how near one came. */
  find(authorization: string | undefined): Caller | null {
    const presented = BEARER.exec(authorization ?? "")?.[1];
    if (presented === undefined) return null;
    // Hashed first: equal lengths for timingSafeEqual, whatever was sent. Node gives fields as Latin-1.
    const digest = sha256(Buffer.from(presented, "latin1"));
    let found: Caller | null = null;
    for (const { digest: known, caller } of this.#known) {
      if (timingSafeEqual(digest, known)) found = caller;
    }
    return found;
  }
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}
