/**
 * The strict reference for requests: which whole requests a client's bytes hold, and what stands behind them. Pure.
 *
 * Strict means what the promises say is refused: two framings, two lengths, a coding besides chunked, obs-fold,
 * bare line ends. It is lenient in what has one reading only: unknown methods, raw bytes in a target, empty lines
 * before a request.
 *
 * @see RFC 9112 §3, §5, §6, §7
 */
import {
  type BodySoFar,
  Cursor,
  type Field,
  Incomplete,
  listOf,
  Malformed,
  parseLength,
  valuesOf,
} from "./cursor.ts";

export interface RequestMessage extends Readonly<BodySoFar> {
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  readonly fields: readonly Field[];
  readonly framing: "none" | "length" | "chunked";
  /** No request after this one counts (RFC 9112 §9.6). */
  readonly isLast: boolean;
}

export interface RequestsRead {
  readonly whole: readonly RequestMessage[];
  /** Where the last whole one ends. */
  readonly end: number;
  /** What stands behind the whole ones. `over`: the last one said close, so the rest counts for nothing. */
  readonly rest: "nothing" | "over" | "incomplete" | "malformed";
  readonly why: string;
  /** The request that `rest` is, if its head was good, with as much of its body as was. */
  readonly begun: RequestMessage | null;
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP\/(1\.[01])$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)(.*)$/i;
/** What neither a host nor a port can hold: a reader could take it for two values, a path or userinfo. */
const NOT_IN_HOST = /[\s/?#@\\"<>]/;

/** @param options `emptyLines`: whether a request may have empty lines before it; a client's may, ours may not. */
export function readRequests(text: string, options: { emptyLines: boolean }): RequestsRead {
  const whole: RequestMessage[] = [];
  const cursor = new Cursor(text, 0);
  let end = 0;
  let begun: RequestMessage | null = null;
  const stopped = (rest: RequestsRead["rest"], why = ""): RequestsRead => ({ whole, end, rest, why, begun });
  try {
    for (;;) {
      begun = null;
      if (options.emptyLines) while (text.startsWith("\r\n", cursor.at)) cursor.at += 2;
      // An empty line begins nothing, so the half of one does not either.
      const isHalfLine = options.emptyLines && text.slice(cursor.at) === "\r";
      if (cursor.isAtEnd || isHalfLine) return stopped("nothing");
      const soFar: BodySoFar = { body: "", trailers: [] };
      const head = readHead(cursor);
      begun = Object.assign(soFar, head);
      if (head.framing === "chunked") cursor.chunked(soFar);
      else if (head.framing === "length") cursor.ofLength(head.length, soFar);
      whole.push(begun);
      end = cursor.at;
      if (head.isLast) return stopped("over");
    }
  } catch (error) {
    if (error instanceof Malformed) return stopped("malformed", error.message);
    if (error instanceof Incomplete) return stopped("incomplete", error.message);
    throw error;
  }
}

type Head = Omit<RequestMessage, keyof BodySoFar> & { readonly length: number };

function readHead(cursor: Cursor): Head {
  const [, method, target, version] = REQUEST_LINE.exec(cursor.line()) ?? [];
  if (method === undefined || target === undefined) throw new Malformed("a request line that is none");
  if (!isTarget(method, target)) throw new Malformed("a target that is none");
  const fields = cursor.fields({ looseNames: false });
  const isHttp11 = version === "1.1";
  checkHost(fields, isHttp11);
  const options = listOf(fields, "connection");
  return {
    method,
    target,
    version: isHttp11 ? "1.1" : "1.0",
    fields,
    ...framingOf(fields, isHttp11),
    isLast: options.includes("close") || (!isHttp11 && !options.includes("keep-alive")),
  };
}

/** CONNECT is for tunnels, which this proxy does not open. */
function isTarget(method: string, target: string): boolean {
  if (method === "CONNECT") return false;
  if (target.startsWith("/")) return true;
  if (target === "*") return method === "OPTIONS";
  const authority = ABSOLUTE_FORM.exec(target)?.[1];
  return authority !== undefined && !NOT_IN_HOST.test(authority);
}

function checkHost(fields: readonly Field[], isHttp11: boolean): void {
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (isHttp11 && hosts.length === 0))
    throw new Malformed(`${hosts.length} Host fields`);
  if (NOT_IN_HOST.test(hosts[0] ?? "")) throw new Malformed("a Host that is none");
}

function framingOf(fields: readonly Field[], isHttp11: boolean): Pick<Head, "framing" | "length"> {
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length + lengths.length > 1) throw new Malformed("more than one framing");
  const [coding] = codings;
  const [length] = lengths;
  if (coding !== undefined) {
    if (!isHttp11) throw new Malformed("a transfer coding in HTTP/1.0");
    if (coding.toLowerCase() !== "chunked") throw new Malformed("a transfer coding besides chunked");
    return { framing: "chunked", length: 0 };
  }
  return length === undefined
    ? { framing: "none", length: 0 }
    : { framing: "length", length: parseLength(length) };
}

/** The origin-form of a target, and the authority of an absolute one (RFC 9112 §3.2). */
export function originForm({ method, target }: RequestMessage): { path: string; authority: string | null } {
  const [, authority, rest = ""] = ABSOLUTE_FORM.exec(target) ?? [];
  if (authority === undefined || target.startsWith("/")) return { path: target, authority: null };
  if (rest === "") return { path: method === "OPTIONS" ? "*" : "/", authority };
  return { path: rest.startsWith("/") ? rest : `/${rest}`, authority };
}
