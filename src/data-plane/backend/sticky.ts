/**
 * Sticky: which backend a client's cookie names, and the cookie that names one.
 *
 * The value is an HMAC of the switch in force, the version and the backend, so nobody can make up one or read a
 * backend out of one; and there are only as many as backends, made when these change: looking one up is all that a
 * request costs. With the next switch every value is another: the cookies of before name nothing.
 */
import type { StickyConfig } from "../../config/pool-config.ts";
import type { Version } from "../../core/version.ts";
import { cookieEnd, cookieStart } from "../../wire/cookies.ts";
import type { Fields } from "../../wire/fields.ts";
import type { Backend } from "./backend.ts";

/** 128 bits: nobody guesses one. */
const VALUE_BYTES = 16;

export class Sticky {
  readonly #config: StickyConfig;
  readonly #version: Version;
  readonly #backends = new Map<string, Backend>();
  readonly #lines = new Map<Backend, string>();

  constructor(config: StickyConfig, version: Version) {
    this.#config = config;
    this.#version = version;
  }

  /** Other backends, or another switch in force. */
  renew(epoch: number, backends: readonly Backend[]): void {
    this.#backends.clear();
    this.#lines.clear();
    for (const backend of backends) {
      const value = this.#valueOf(epoch, backend);
      this.#backends.set(value, backend);
      this.#lines.set(backend, `Set-Cookie: ${this.#config.cookie}=${value}${this.#attributes}\r\n`);
    }
  }

  /** @returns null: the request has no such cookie, or one that names nothing here now. */
  backendOf(fields: Fields): Backend | null {
    const start = cookieStart(fields, this.#config.cookie);
    if (start === -1) return null;
    return this.#backends.get(fields.text.slice(start, cookieEnd(fields, start))) ?? null;
  }

  /** The field line that ties a client to a backend; empty for one that is no longer here. */
  lineFor(backend: Backend): string {
    return this.#lines.get(backend) ?? "";
  }

  #valueOf(epoch: number, { name }: Backend): string {
    const { createHmac } = process.getBuiltinModule("node:crypto"); // where nothing is sticky nobody needs it
    const hmac = createHmac("sha256", this.#config.secret).update(`${epoch}\n${this.#version}\n${name}`);
    return hmac.digest().subarray(0, VALUE_BYTES).toString("base64url");
  }

  /** RFC 6265bis §4.1: not for scripts, and for the whole site. */
  get #attributes(): string {
    const { maxAgeMs, isSecure, sameSite } = this.#config;
    const maxAge = maxAgeMs === null ? "" : `; Max-Age=${Math.ceil(maxAgeMs / 1_000)}`;
    const site = { lax: "Lax", strict: "Strict", none: "None" }[sameSite];
    return `; Path=/${maxAge}; HttpOnly; SameSite=${site}${isSecure ? "; Secure" : ""}`;
  }
}
