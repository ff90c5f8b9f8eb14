/**
 * Framing that two readers may take differently. The RFCs let a proxy refuse it or make it plain; either way nothing
 * of the request becomes another one. This daemon refuses all of it.
 */
import assert from "node:assert/strict";
import { type Case, get, request, type Scene } from "../case.ts";
import { refusedOrRepaired } from "../outcomes.ts";
import type { SeenRequest } from "../seen-request.ts";

const SMUGGLED = get("/smuggled");
const IN_A_CHUNK = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const EMPTY_CHUNKED = "0\r\n\r\n";
const HELLO_IN_A_CHUNK = "5\r\nhello\r\n0\r\n\r\n";
const CHUNKED = "Transfer-Encoding: chunked";

/** Both ways to end a body, and a body that ends differently by each. */
function bothLengths(fields: readonly string[], body: string): string {
  return request("POST /", fields, body);
}

/** Read as chunks, and said so at the backend: Content-Length is gone. */
function bodyFromChunks(expected: string): (seen: SeenRequest) => Promise<void> {
  return async (seen) => {
    assert.equal((await seen.body()).toString(), expected);
    assert.deepEqual(seen.fieldAll("content-length").length + seen.fieldAll("transfer-encoding").length, 1);
  };
}

/** One field `X-A` at most, with the offending bytes replaced, and none of what they hid. */
function plainField(...values: readonly (string | undefined)[]): (seen: SeenRequest) => Promise<void> {
  return async (seen) => {
    assert.ok(values.includes(seen.field("x-a")), `X-A: ${JSON.stringify(seen.field("x-a"))}`);
    await seen.body();
  };
}

/** A field line that is none is dropped, or a name alone, and takes no other with it. */
async function otherFieldAlone(seen: SeenRequest): Promise<void> {
  const ours = seen.fields.filter(([name]) => /^x/i.test(name) && !/^x-(forwarded|real)-/i.test(name));
  const others = ours.filter(([name, value]) => `${name}: ${value}`.toLowerCase() !== "x-a: ");
  assert.deepEqual(
    others.map(([name, value]) => [name.toLowerCase(), value]),
    [["x-b", "2"]],
  );
}

interface Ambiguity {
  readonly says: string;
  readonly source: string;
  readonly bytes: string;
  /** What a proxy that does not refuse it makes of it; by default that its body ends. */
  readonly repaired?: (seen: SeenRequest) => Promise<void>;
  /** Nothing is wrong with it: this daemon forwards it. */
  readonly isLegal?: true;
}

const NO_FIELDS: readonly (readonly [what: string, line: string, source: string])[] = [
  ["no colon", "X-A", "CVE-2019-20444 (Netty)"],
  ["no name", ": 1", "CVE-2023-25725 (HAProxy): the fields behind it were lost"],
  ["a space in its name", "X A: 1", "RFC 9110 §5.1"],
  ["a NUL in its name", "X\x00A: 1", "RFC 9110 §5.1"],
  ["a letter beyond ASCII in its name", "X-\xe9: 1", "RFC 9110 §5.1; Http11Probe"],
  ["a bracket in its name", "X(A): 1", "RFC 9110 §5.1"],
];

const AMBIGUITIES: readonly Ambiguity[] = [
  ...NO_FIELDS.map(
    ([what, line, source]): Ambiguity => ({
      says: `a field with ${what} is refused, or dropped alone`,
      source,
      bytes: get("/", line, "X-B: 2"),
      repaired: otherFieldAlone,
    }),
  ),
  {
    says: "CL.TE: what stands behind the last chunk, but within Content-Length, is no request",
    source: "RFC 9112 §6.1; Kettle 2019",
    bytes: bothLengths(
      [`Content-Length: ${EMPTY_CHUNKED.length + SMUGGLED.length}`, CHUNKED],
      EMPTY_CHUNKED + SMUGGLED,
    ),
    repaired: bodyFromChunks(""),
  },
  {
    says: "TE.CL: what stands behind Content-Length, but within a chunk, is no request",
    source: "RFC 9112 §6.1; Kettle 2019",
    bytes: bothLengths([CHUNKED, "Content-Length: 4"], IN_A_CHUNK),
    repaired: bodyFromChunks(SMUGGLED),
  },
  {
    says: "Content-Length: 0 before chunks hides no request in them",
    source: "RFC 9112 §6.1; CVE-2020-8287 (Node.js)",
    bytes: bothLengths(["Content-Length: 0", CHUNKED], IN_A_CHUNK),
    repaired: bodyFromChunks(SMUGGLED),
  },
  {
    says: "Transfer-Encoding in an HTTP/1.0 request ends its connection",
    source: "RFC 9112 §6.1; CVE-2021-33037 (Tomcat)",
    bytes: `POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n${CHUNKED}\r\n\r\n${EMPTY_CHUNKED}${SMUGGLED}`,
  },
  {
    says: "two equal Content-Length become one or none",
    source: "RFC 9110 §8.6",
    bytes: request("POST /", ["Content-Length: 5", "Content-Length: 5"], "hello"),
    repaired: async (seen) => assert.equal((await seen.body()).toString(), "hello"),
  },
  {
    says: "one Content-Length of two equal values becomes a single one or none",
    source: "RFC 9110 §8.6",
    bytes: request("POST /", ["Content-Length: 5, 5"], "hello"),
    repaired: async (seen) => assert.equal((await seen.body()).toString(), "hello"),
  },
  {
    says: "chunked with a comma behind it is chunked, or nothing",
    source: "RFC 9110 §5.6.1.2: empty list elements",
    bytes: request("POST /", ["Transfer-Encoding: chunked,"], HELLO_IN_A_CHUNK),
    repaired: bodyFromChunks("hello"),
  },
  {
    says: "chunked with a comma before it is chunked, or nothing",
    source: "RFC 9110 §5.6.1.2: empty list elements",
    bytes: request("POST /", ["Transfer-Encoding: , chunked"], HELLO_IN_A_CHUNK),
    repaired: bodyFromChunks("hello"),
  },
  {
    says: "Transfer-Encoding whose value stands folded on the next line is chunked, or nothing",
    source: "RFC 9112 §5.2; CVE-2022-32215 (Node.js)",
    bytes: request("POST /", ["Transfer-Encoding:", "\tchunked"], HELLO_IN_A_CHUNK),
    repaired: bodyFromChunks("hello"),
  },
  {
    says: "a folded line that looks like Transfer-Encoding belongs to the field before it, or to nothing",
    source: "RFC 9112 §5.2",
    bytes: request("POST /", ["X-A: 1", ` ${CHUNKED}`, `Content-Length: ${IN_A_CHUNK.length}`], IN_A_CHUNK),
    repaired: async (seen) => {
      assert.equal((await seen.body()).toString(), IN_A_CHUNK);
      assert.match(seen.field("x-a") ?? "", /^1 +Transfer-Encoding: chunked$/);
    },
  },
  {
    says: "a line that starts with a space before the first field is skipped, or refused",
    source: "RFC 9112 §2.2",
    bytes: `GET / HTTP/1.1\r\n X-A: 1\r\nHost: h\r\n\r\n`,
    repaired: plainField(undefined),
  },
  {
    says: "a NUL in a value becomes a space, or the request is refused",
    source: "RFC 9110 §5.5; CVE-2019-9900 (Envoy)",
    bytes: get("/", "X-A: 1\x002"),
    repaired: plainField("1 2"),
  },
  {
    says: "a CR without LF in a value becomes a space, or the request is refused",
    source: "RFC 9112 §2.2; CVE-2023-30589 (Node.js)",
    bytes: request("POST /", [`X-A: 1\r${CHUNKED}`, `Content-Length: ${IN_A_CHUNK.length}`], IN_A_CHUNK),
    repaired: async (seen) => {
      assert.equal((await seen.body()).toString(), IN_A_CHUNK);
      assert.equal(seen.field("x-a"), `1 ${CHUNKED}`);
    },
  },
  {
    says: "two CR before an LF end a line cleanly, or nothing",
    source: "RFC 9112 §2.2; http-garden",
    bytes: "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\r\n\r\n",
    repaired: plainField("1"),
  },
  {
    says: "an LF without CR ends a field, or the request is refused: it hides no Transfer-Encoding",
    source: "RFC 9112 §2.2; CVE-2022-32214 (Node.js)",
    bytes: request("POST /", [`X-A: 1\n${CHUNKED}`], HELLO_IN_A_CHUNK),
    repaired: async (seen) => {
      await bodyFromChunks("hello")(seen);
      assert.equal(seen.field("x-a"), "1");
    },
  },
  {
    says: "LF LF ends a head as CR LF CR LF does, or the request is refused",
    source: "RFC 9112 §2.2; CVE-2019-16785 (waitress)",
    bytes: "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\n\nX-B: 2\r\n\r\n",
    repaired: plainField("1"),
  },
  {
    says: "a head of LF alone is served, or refused, and waited for no longer",
    source: "RFC 9112 §2.2",
    bytes: "GET / HTTP/1.1\nHost: h\nX-A: 1\n\n",
    repaired: plainField("1"),
  },
  {
    says: "a request line of two spaces is mended, or refused",
    source: "RFC 9112 §3",
    bytes: "GET  /  HTTP/1.1\r\nHost: h\r\n\r\n",
    repaired: async (seen) => assert.equal(seen.requestLine, "GET / HTTP/1.1"),
  },
  {
    says: "an expectation that nobody knows is refused, or passes with its body",
    source: "RFC 9110 §10.1.1: 417; Kettle 2025: Expect: y 100-continue",
    bytes: request("POST /", ["Expect: y 100-continue", "Content-Length: 5"], "hello"),
    repaired: async (seen) => assert.equal((await seen.body()).toString(), "hello"),
    isLegal: true,
  },
  {
    says: "a name of 270 letters that begins with Content-Length frames nothing",
    source: "CVE-2021-40346 (HAProxy): its length overflows into that of its value",
    bytes: request(
      "POST /",
      [`Content-Length0${"a".repeat(255)}: 0`, `Content-Length: ${SMUGGLED.length}`],
      SMUGGLED,
    ),
    repaired: async (seen) => assert.equal((await seen.body()).toString(), SMUGGLED),
    isLegal: true,
  },
];

export const framingSmuggling: readonly Case[] = [
  ...AMBIGUITIES.map(({ says, source, bytes, repaired }): Case => {
    const run = (scene: Scene): Promise<void> => refusedOrRepaired(scene, bytes, repaired);
    return { promise: "framing", says, source, run };
  }),
  {
    promise: "framing",
    says: "whatever might be repaired is refused with 400, and repaired by nobody",
    source: "RFC 9112 §11.2",
    daemonOnly: true,
    run: async ({ refused }) => {
      for (const { says, bytes } of AMBIGUITIES.filter(({ isLegal }) => !isLegal)) {
        await refused(bytes).catch((cause: unknown) => {
          throw new Error(`not refused: ${says}: ${cause instanceof Error ? cause.message : ""}`, { cause });
        });
      }
    },
  },
  {
    promise: "framing",
    says: "an encoded line end in a target stays encoded: no field comes out of it",
    source: "CVE-2023-25690 (httpd), CVE-2022-35948 (undici)",
    run: async ({ exchange }) => {
      const target = "/a%20HTTP/1.1%0d%0aX-A:%201%0d%0a%0d%0aGET%20/smuggled?%0D%0A";
      const { seen } = await exchange(get(target));
      assert.equal(seen.target, target);
      assert.equal(seen.field("x-a"), undefined);
    },
  },
];
