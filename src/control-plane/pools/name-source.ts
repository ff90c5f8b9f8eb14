/**
 * NameSource: where the addresses of a name come from: the system, as for every program of the machine, or DNS
 * servers that the operator names.
 *
 * Asks once when it is told to; when that is, resolver.ts knows.
 */
import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";

export interface NameAnswer {
  /** As they came; empty: the name has none. */
  readonly addresses: readonly string[];
  /** How long it holds; null: that was not said. */
  readonly ttlMs: number | null;
}

export interface NameSource {
  /**
   * @param last what the name had before; what only a part of the answer could not be found for stays from it.
   * @throws an error with a `code` such as ENOTFOUND.
   */
  lookUp(name: string, last: readonly string[]): Promise<NameAnswer>;
  /** Gives up what runs, where that can be. */
  close(): void;
}

/** /etc/hosts, search domains, nsswitch.conf: all that getaddrinfo(3) knows, but no TTL. */
export const systemNames: NameSource = {
  async lookUp(name) {
    const found = await lookup(name, { all: true });
    return { addresses: found.map(({ address }) => address), ttlMs: null };
  },
  close: () => {}, // getaddrinfo(3) cannot be called off
};

/** Per server; the next one is asked then, and one that failed is asked last the next time. */
const SERVER_TIMEOUT_MS = 1_000;
const TRIES = 2;

/** The server said that there are none of this kind, or no such name. */
const NONE: ReadonlySet<string> = new Set(["ENODATA", "ENOTFOUND"]);

type FamilyAnswer = PromiseSettledResult<readonly { readonly address: string; readonly ttl: number }[]>;

/** Asks these servers alone, for A and AAAA. @param servers `IP` or `IP:port`. */
export function namesFrom(servers: readonly string[]): NameSource {
  const resolver = new Resolver({ timeout: SERVER_TIMEOUT_MS, tries: TRIES });
  resolver.setServers(servers);
  return {
    async lookUp(name, last) {
      const [four, six] = await Promise.allSettled([
        resolver.resolve4(name, { ttl: true }),
        resolver.resolve6(name, { ttl: true }),
      ]);
      const addresses = [...addressesOf(four, 4, last), ...addressesOf(six, 6, last)];
      const failed = [four, six].find(isFailed);
      // Both said nothing: whatever there was before is the caller's to keep.
      if (failed !== undefined && (addresses.length === 0 || !isAnyFound(four, six))) throw failed.reason;
      return { addresses, ttlMs: shortestTtlMs(four, six) };
    },
    close: () => resolver.cancel(),
  };
}

const isFailed = (answer: FamilyAnswer): answer is PromiseRejectedResult =>
  answer.status === "rejected" && !NONE.has((answer.reason as NodeJS.ErrnoException).code ?? "");

const isAnyFound = (...answers: readonly FamilyAnswer[]): boolean =>
  answers.some((answer) => answer.status === "fulfilled" && answer.value.length > 0);

function addressesOf(answer: FamilyAnswer, family: 4 | 6, last: readonly string[]): readonly string[] {
  if (answer.status === "fulfilled") return answer.value.map(({ address }) => address);
  return isFailed(answer) ? last.filter((address) => isIP(address) === family) : [];
}

function shortestTtlMs(...answers: readonly FamilyAnswer[]): number | null {
  const ttls = answers.flatMap((answer) =>
    answer.status === "fulfilled" ? answer.value.map(({ ttl }) => ttl * 1_000) : [],
  );
  return ttls.length === 0 ? null : Math.min(...ttls);
}
