/**
 * A case: one promise about what a proxy does, in one sentence, with its source and the code that finds out.
 *
 * How to write one. Add it to the array in `cases/<promise>.ts`; that is all:
 *
 *     {
 *       promise: "bytes",
 *       says: "a path with %2F reaches the backend as it came",
 *       source: "RFC 3986 §2.2",
 *       run: async ({ open, backend }) => {
 *         const client = await open();
 *         client.send("GET /a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n");
 *         const seen = await backend.request();              // its head has arrived at the backend
 *         assert.equal(seen.target, "/a%2Fb");
 *         seen.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
 *         assert.equal((await client.readResponse()).text, "ok");
 *       },
 *     },
 *
 * - `exchange(request, answer)` does just that, for the many cases of one request and one answer;
 *   `refused(request, status)` is for those that must never reach the backend. `get()` and `OK` save typing.
 * - Strings are bytes (latin1) on both sides. Nothing is added to what you write.
 * - The backend reads strictly. A case fails by itself when the backend saw anything but well-formed requests
 *   (`backend.violations`), or a request that nobody asked for: take each with `backend.request()`, or let the
 *   backend answer them all with `backend.respond()` and look at `backend.requests` afterwards.
 * - To show that something does *not* happen, wait for `settled()`: a request on a connection of its own goes all
 *   the way through after it, and gets its own answer. Never sleep.
 * - Every wait has a limit and says what it waited for, so there is rarely a need for a limit of your own.
 * - Clients are closed at the end of a case. `backend.connections` and all it holds is of this case alone.
 * - What needs small limits or other config has a `profile` (profiles.ts), and `needs` what a proxy must have a
 *   setting for; it is "n/a" for a proxy that has none. Write what any good proxy does: the RFCs leave several
 *   statuses open more often than not. `daemonOnly` is for what only this daemon promises.
 *
 * Try it: `npm run conformance -- --only "reaches the backend as it came"`.
 */
import type { TestProxy } from "../support/proxy.ts";
import type { RawClient, RawResponse, ReadOptions } from "../support/raw-client.ts";
import type { RecordingBackend } from "./backend.ts";
import type { Need, ProfileName } from "./profiles.ts";
import type { SeenRequest } from "./seen-request.ts";

/** In the order of the table. */
export const PROMISES = [
  "bytes",
  "hop-by-hop",
  "framing",
  "upgrades",
  "streaming",
  "leaving",
  "limits",
  "bad-answers",
] as const;
export type Promised = (typeof PROMISES)[number];

export interface Case {
  readonly promise: Promised;
  /** One sentence, unique in the suite: it is the case's name. */
  readonly says: string;
  /** Where the promise comes from: an RFC with its section, a CVE, a public suite. */
  readonly source: string;
  /** The config of the proxy; "default" unless given. */
  readonly profile?: ProfileName;
  /** What the proxy must have a setting for, or do at all. */
  readonly needs?: Need | readonly Need[];
  /** A promise of this daemon alone, not of proxies. */
  readonly daemonOnly?: boolean;
  /** For all of it; 5 s unless given. A single wait may take 60 % of it. */
  readonly limitMs?: number;
  run(scene: Scene): Promise<void>;
}

export interface Scene {
  /** The raw backend that everything is forwarded to. */
  readonly backend: RecordingBackend;
  /** Where the proxy listens. */
  readonly port: number;
  readonly host: string;
  /** A new connection to the proxy, closed when the case ends. */
  open(options?: { localAddress?: string }): Promise<RawClient>;
  /**
   * Sends one request on a new connection, answers it, and reads that answer.
   *
   * @param options `method` of the request when its answer has no body (HEAD); `client` to send on one that is open.
   */
  exchange(
    request: string | Uint8Array,
    answer?: string | Uint8Array,
    options?: ReadOptions & { client?: RawClient },
  ): Promise<Exchange>;
  /**
   * Sends what the proxy must refuse by itself: it answers `status` (one of several), closes the connection, and the
   * backend has seen no request.
   */
  refused(request: string | Uint8Array, status?: number | readonly number[]): Promise<RawResponse>;
  /**
   * Resolves when a request on a connection of its own, sent now, has gone through the proxy and got its own answer.
   *
   * @throws Error when it has not: the proxy hangs, or mixes up answers.
   */
  settled(): Promise<void>;
  /** The daemon under test, with its admin listener and logs. Throws for another proxy: for `daemonOnly` cases. */
  daemon(): TestProxy;
}

export interface Exchange {
  readonly client: RawClient;
  readonly seen: SeenRequest;
  readonly answer: RawResponse;
}

/** A GET without a body. @param fields whole lines, without their CRLF. */
export function get(target = "/", ...fields: readonly string[]): string {
  return request(`GET ${target}`, fields);
}

/** @param line method and target. @param fields whole lines, without their CRLF; Host comes first, by itself. */
export function request(line: string, fields: readonly string[] = [], body = ""): string {
  return [`${line} HTTP/1.1`, "Host: h", ...fields, "", body].join("\r\n");
}

/** @param fields whole lines, without their CRLF. A Content-Length that fits `body` is added unless they frame it. */
export function answer(status = "200 OK", fields: readonly string[] = [], body = ""): string {
  const isFramed = fields.some((field) => /^(content-length|transfer-encoding):/i.test(field));
  const framing = isFramed ? [] : [`Content-Length: ${Buffer.byteLength(body, "latin1")}`];
  return [`HTTP/1.1 ${status}`, ...fields, ...framing, "", body].join("\r\n");
}

export { OK } from "./backend.ts";
