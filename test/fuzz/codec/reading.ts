/** What somebody reads in the bytes of one side of a connection, in a form in which two readers can be compared. */

/** What a head says. */
export interface Head {
  /** As it came. */
  readonly text: string;
  readonly line: RequestLine | StatusLine;
  /** Name, value, name, value, …: values without the white space around them. */
  readonly fields: readonly string[];
  readonly framing: "none" | "length" | "chunked" | "close";
  /** -1: none. */
  readonly contentLength: number;
  /** Another message may follow. */
  readonly isPersistent: boolean;
  /** Of a request: the steps behind the codec serve it. */
  readonly isAdmitted: boolean;
}

/** One message, or as much of it as has been told. */
export interface Message {
  /** Where it begins, behind empty lines. */
  readonly start: number;
  readonly head: Head;
  body: string;
  /** As `fields`. */
  trailers: readonly string[];
  /** Behind its last byte; -1: it is not whole. */
  end: number;
}

export interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: number;
  /** Behind it there may be another protocol. */
  readonly isUpgrade: boolean;
}

export interface StatusLine {
  readonly status: number;
  readonly reason: string;
  readonly minorVersion: number;
  /** Of the request that it answers. */
  readonly method: string;
}

/**
 * How it ended. `waiting`: for more, of a message or for the next. `refused`: what came is no HTTP. `over`: nothing is
 * read behind the last message.
 */
export type Ending = "waiting" | "refused" | "over";

export interface Reading {
  readonly messages: readonly Message[];
  readonly ending: Ending;
  /** Bytes used when it was refused. */
  readonly used: number;
}

/**
 * Heads by their text; null: refused. Reading one is a function of its text alone, so what matters with other pieces is
 * that the same text is found.
 */
export type KnownHeads = Map<string, Head | null>;

/** The field lines of a trailer section, "Name: value\r\n…", as a list. */
export function linesToList(lines: string): string[] {
  if (lines === "") return [];
  return lines
    .split("\r\n")
    .slice(0, -1)
    .flatMap((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, "")];
    });
}

/**
 * @param hasPlaces `b` knows at which byte a message begins and ends.
 * @returns where the two differ; null when they are the same.
 */
export function differenceBetween(a: Reading, b: Reading, hasPlaces = true): string | null {
  if (a.ending !== b.ending) return `${a.ending} and ${b.ending}`;
  if (a.messages.length !== b.messages.length)
    return `${a.messages.length} and ${b.messages.length} messages`;
  for (const [index, message] of a.messages.entries()) {
    const other = b.messages[index];
    if (other === undefined || !isSame(message, other, hasPlaces)) return `message ${index + 1} is another`;
  }
  return null;
}

function isSame(a: Message, b: Message, hasPlaces: boolean): boolean {
  return (
    (!hasPlaces || (a.start === b.start && a.end === b.end)) &&
    (a.end === -1) === (b.end === -1) &&
    a.body === b.body &&
    (a.head === b.head || isSameHead(a.head, b.head)) &&
    isSameList(a.trailers, b.trailers)
  );
}

function isSameHead(a: Head, b: Head): boolean {
  return (
    a.text === b.text &&
    a.framing === b.framing &&
    a.contentLength === b.contentLength &&
    a.isPersistent === b.isPersistent &&
    a.isAdmitted === b.isAdmitted &&
    isSameList(a.fields, b.fields) &&
    isSameList(Object.values(a.line), Object.values(b.line))
  );
}

export function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
