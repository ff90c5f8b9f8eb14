/**
 * Resolver: keeps the addresses of the targets' names, looked up again and again.
 *
 * Runs in the primary, so a name is looked up once for all workers and targets. A look-up that fails, or finds
 * nothing, leaves the last addresses as they are. Opens nothing itself: how names are looked up, timers and chance
 * are handed in.
 */
import { isIP } from "node:net";
import type { After } from "../../core/timers.ts";
import type { NameAnswer, NameSource } from "./name-source.ts";

export interface ResolverParts {
  readonly source: NameSource;
  readonly after: After;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: {
    info(fields: object, sentence: string): void;
    warn(fields: object, sentence: string): void;
  };
  /** The addresses of a name have changed. */
  readonly onChange: (name: string) => void;
}

interface Watched {
  readonly name: string;
  everyMs: number;
  addresses: readonly string[];
  /** In a row. */
  failures: number;
  /** It has more addresses than are used. */
  isCut: boolean;
  /** A look-up has not ended, though its time may be over. */
  isAsked: boolean;
  readonly tried: PromiseWithResolvers<void>;
  callOff: () => void;
}

/** What one name may have; a pool of more is nothing that a balancer should walk. */
export const MAX_ADDRESSES = 256;
/** More wait: the system looks names up in a few threads, which the state files need too. */
export const MAX_AT_ONCE = 8;
export const LOOK_UP_LIMIT_MS = 5_000;
/** The pause after the first failure, and the least that a TTL is taken for. */
const SHORTEST_PAUSE_MS = 1_000;
/** ±, so that many names, and many machines, do not ask at the same moment. */
const JITTER = 0.1;
const NONE: readonly string[] = [];

export class Resolver {
  readonly #parts: ResolverParts;
  readonly #names = new Map<string, Watched>();
  /** Due, and there are too many at once; in order. */
  readonly #due = new Set<Watched>();
  #running = 0;
  #isClosed = false;

  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }

  /** As they were last found, at most 256; empty: never found. The same array until they change. */
  addressesOf(name: string): readonly string[] {
    return this.#names.get(name)?.addresses ?? NONE;
  }

  /** From now on these are looked up, new ones at once, and no others. @param names with how often, ms. */
  watch(names: ReadonlyMap<string, number>): void {
    if (this.#isClosed) return;
    for (const watched of this.#names.values()) if (!names.has(watched.name)) this.#forget(watched);
    for (const [name, everyMs] of names) {
      const known = this.#names.get(name);
      if (known !== undefined) known.everyMs = everyMs;
      else this.#add(name, everyMs);
    }
  }

  /** Each of these has been looked up, well or not, or `limitMs` has passed. Never rejects. */
  async whenTried(names: Iterable<string>, limitMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const callOff = this.#parts.after(limitMs, late.resolve);
    const all = [...names].map((name) => this.#names.get(name)?.tried.promise);
    await Promise.race([Promise.all(all), late.promise]);
    callOff();
  }

  /** Nothing is looked up any more, and no change told; the addresses stay. */
  close(): void {
    this.#isClosed = true;
    this.#due.clear();
    for (const watched of this.#names.values()) {
      watched.callOff();
      watched.tried.resolve();
    }
    this.#parts.source.close();
  }

  #add(name: string, everyMs: number): void {
    const watched: Watched = {
      name,
      everyMs,
      addresses: NONE,
      failures: 0,
      isCut: false,
      isAsked: false,
      tried: Promise.withResolvers(),
      callOff: () => {},
    };
    this.#names.set(name, watched);
    this.#ask(watched);
  }

  #forget(watched: Watched): void {
    watched.callOff();
    watched.tried.resolve();
    this.#due.delete(watched);
    this.#names.delete(watched.name);
  }

  #isCurrent(watched: Watched): boolean {
    return !this.#isClosed && this.#names.get(watched.name) === watched;
  }

  #ask(watched: Watched): void {
    if (watched.isAsked)
      this.#fail(watched, "ETIMEOUT"); // the one before still hangs: not a second beside it
    else if (this.#running < MAX_AT_ONCE) this.#lookUp(watched);
    else this.#due.add(watched);
  }

  /** Its place is free only when it has really ended: what hangs would else pile up. */
  #lookUp(watched: Watched): void {
    this.#running++;
    watched.isAsked = true;
    const callOff = this.#parts.after(LOOK_UP_LIMIT_MS, () => this.#fail(watched, "ETIMEOUT"));
    watched.callOff = callOff;
    const onEnd = (tell: () => void): void => {
      this.#running--;
      watched.isAsked = false;
      if (this.#isCurrent(watched)) tell();
      this.#startNext();
    };
    // An answer that comes too late is an answer all the same; of a failure that was told there is nothing to add.
    const fail = (error: unknown): void => {
      if (watched.callOff === callOff) this.#fail(watched, codeOf(error));
    };
    this.#parts.source.lookUp(watched.name, watched.addresses).then(
      (answer) => onEnd(() => this.#take(watched, answer)),
      (error: unknown) => onEnd(() => fail(error)),
    );
  }

  #startNext(): void {
    for (const watched of this.#due) {
      if (this.#isClosed || this.#running >= MAX_AT_ONCE) return;
      this.#due.delete(watched);
      this.#lookUp(watched);
    }
  }

  #take(watched: Watched, { addresses: found, ttlMs }: NameAnswer): void {
    const all = inOrder(found);
    if (all.length === 0) return this.#fail(watched, "ENODATA");
    const addresses = all.slice(0, MAX_ADDRESSES);
    const { name, everyMs, addresses: before } = watched;
    if (watched.failures > 0) this.#parts.log.info({ name }, "a name can be looked up again");
    this.#noteCut(watched, all.length);
    watched.failures = 0;
    const isChanged = addresses.join() !== before.join();
    if (isChanged) watched.addresses = addresses;
    this.#askAfter(watched, Math.min(everyMs, Math.max(SHORTEST_PAUSE_MS, ttlMs ?? everyMs)));
    watched.tried.resolve();
    if (!isChanged) return;
    const came = addresses.filter((address) => !before.includes(address)).length;
    const left = before.filter((address) => !addresses.includes(address)).length;
    const sentence = before.length === 0 ? "a name was found" : "the addresses of a name have changed";
    this.#parts.log.info({ name, addresses: addresses.length, came, left }, sentence);
    this.#parts.onChange(name);
  }

  #noteCut(watched: Watched, count: number): void {
    const isCut = count > MAX_ADDRESSES;
    if (isCut && !watched.isCut) {
      const fields = { name: watched.name, addresses: count, used: MAX_ADDRESSES };
      this.#parts.log.warn(fields, "a name has more addresses than are used");
    }
    watched.isCut = isCut;
  }

  #fail(watched: Watched, code: string): void {
    const { name, failures, addresses, everyMs } = watched;
    if (failures === 0) {
      const { log } = this.#parts;
      const stays = "a name cannot be looked up: what was last found stays in use";
      if (addresses.length > 0) log.warn({ name, code, addresses: addresses.length }, stays);
      else log.warn({ name, code }, "a name cannot be looked up: it was never found");
    }
    watched.failures++;
    this.#askAfter(watched, Math.min(everyMs, SHORTEST_PAUSE_MS * 2 ** failures));
    watched.tried.resolve();
  }

  #askAfter(watched: Watched, ms: number): void {
    watched.callOff();
    const jitter = 1 + JITTER * (2 * this.#parts.random() - 1);
    watched.callOff = this.#parts.after(ms * jitter, () => this.#ask(watched));
  }
}

/** Each once, in an order that does not change with the answer's; those of the family that came first are first. */
function inOrder(found: readonly string[]): string[] {
  const valid = found.filter((address) => isIP(address) !== 0 && !address.includes("%"));
  const first = isIP(valid[0] ?? "");
  const rank = (address: string): number => (isIP(address) === first ? 0 : 1);
  return [...new Set(valid)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" ? code : "UNKNOWN";
}
