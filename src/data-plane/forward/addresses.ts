/**
 * Addresses: where the connections to one backend go: to the addresses that it was given, in turn, or else to those
 * that its name is found to have when connecting.
 *
 * Opens no connection: net.connect does, and tries one address after the other (RFC 8305) as long as they fail.
 */
import { type LookupAddress, lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";

type Found = Parameters<LookupFunction>[2];

export interface ConnectTarget {
  readonly host: string;
  readonly lookup?: LookupFunction;
}

export class Addresses {
  readonly #host: string;
  /** Those of the family that comes first, and the others: only the former take turns, the latter are a way out. */
  #first: readonly LookupAddress[] = [];
  #others: readonly LookupAddress[] = [];
  #turn = 0;
  #mayBeOld = false;
  /** What the name was last found to have; empty: never found. */
  #lastFound: readonly LookupAddress[] = [];

  /** @param host an address, without brackets, or a name. */
  constructor(host: string) {
    this.#host = host;
  }

  /** From now on. @param addresses IP addresses; empty: the name is looked up when connecting. */
  set(addresses: readonly string[], mayBeOld: boolean): void {
    this.#mayBeOld = mayBeOld;
    const all = addresses.map((address) => ({ address, family: isIP(address) }));
    const family = all[0]?.family;
    this.#first = all.filter((each) => each.family === family);
    this.#others = all.filter((each) => each.family !== family);
    if (all.length > 0) this.#lastFound = all;
  }

  /** What net.connect is told, for one connection. */
  next(): ConnectTarget {
    const [only] = this.#first;
    if (isIP(this.#host) !== 0) return { host: this.#host };
    if (only === undefined) return { host: this.#host, lookup: this.#lookUpName };
    if (this.#first.length + this.#others.length === 1) return { host: only.address };
    const at = this.#turn++ % this.#first.length;
    const inTurn = [...this.#first.slice(at), ...this.#first.slice(0, at), ...this.#others];
    return { host: this.#host, lookup: lookupOf(inTurn) };
  }

  /** None of them could be connected to: whether the name has others by now is worth a look. */
  get areDoubtful(): boolean {
    return this.#mayBeOld && this.#first.length > 0 && isIP(this.#host) === 0;
  }

  /** Looks the name up. @param found what net.connect is told of addresses that were not given; null: there are none. */
  findOthers(found: (target: ConnectTarget | null) => void): void {
    const given = new Set([...this.#first, ...this.#others].map(({ address }) => address));
    lookup(this.#host, { all: true }, (error, all) => {
      const others = error === null ? all.filter(({ address }) => !given.has(address)) : [];
      found(others.length === 0 ? null : { host: this.#host, lookup: lookupOf(others) });
    });
  }

  /** As every program of the machine does. One that fails leaves what was found before. */
  readonly #lookUpName: LookupFunction = (name, options, found) => {
    lookup(name, options, (error, address, family) => {
      if (error !== null && this.#lastFound.length > 0) {
        return tell(found, options.all === true, this.#lastFound);
      }
      if (error === null) {
        const isList = typeof address !== "string";
        this.#lastFound = isList ? address : [{ address, family }];
      }
      found(error, address, family);
    });
  };
}

/** @param addresses one or more. */
function lookupOf(addresses: readonly LookupAddress[]): LookupFunction {
  return (_name, options, found) => process.nextTick(tell, found, options.all === true, addresses);
}

function tell(found: Found, wantsAll: boolean, addresses: readonly LookupAddress[]): void {
  const [first] = addresses;
  if (wantsAll || first === undefined) found(null, [...addresses]);
  else found(null, first.address, first.family);
}
