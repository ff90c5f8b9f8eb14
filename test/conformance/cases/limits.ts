/** Cases of the promise "limits": sizes of requests and of answers' heads, each at its edge. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request, type Scene } from "../case.ts";
import { readUnlessCut, refusedAnswer } from "../outcomes.ts";
import { sendWithoutEnd } from "../pace.ts";
import type { Need } from "../profiles.ts";
import { LIMITS } from "../profiles.ts";

interface Edge {
  readonly what: string;
  readonly needs: Need;
  /** RFC 6585 came late: some say 400. */
  readonly statuses: readonly number[];
  readonly source: string;
  readonly exact: string;
  readonly over: string;
}

const EDGES: readonly Edge[] = [
  {
    what: "a target",
    needs: "max_target_bytes",
    statuses: [414],
    source: "RFC 9110 §15.5.15",
    exact: get(`/${"a".repeat(LIMITS.maxTargetBytes - 1)}`),
    over: get(`/${"a".repeat(LIMITS.maxTargetBytes)}`),
  },
  {
    what: "a target with a query",
    needs: "max_target_bytes",
    statuses: [414],
    source: "RFC 9110 §15.5.15",
    exact: get(`/?${"a".repeat(LIMITS.maxTargetBytes - 2)}`),
    over: get(`/?${"a".repeat(LIMITS.maxTargetBytes - 1)}`),
  },
  {
    what: "the number of fields",
    needs: "max_header_count",
    statuses: [431, 400],
    source: "RFC 6585 §5",
    exact: get("/", ...fieldLines(LIMITS.maxHeaderCount - 1)), // Host is one too
    over: get("/", ...fieldLines(LIMITS.maxHeaderCount)),
  },
];

/** Of one message, so that every name is another. */
function fieldLines(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `X-${i}: 1`);
}

/** A message of exactly so many bytes, the empty line at its end included. */
function padded(message: string, bytes: number): string {
  const at = message.indexOf("\r\n") + 2;
  const padding = "x".repeat(bytes - message.length - "X-Pad: \r\n".length);
  return `${message.slice(0, at)}X-Pad: ${padding}\r\n${message.slice(at)}`;
}

function uploadBytes(body: string, ...fields: readonly string[]): string {
  return request("POST /", [`Content-Length: ${body.length}`, ...fields], body);
}

function chunks(...sizes: readonly number[]): string {
  const coded = sizes.map((size) => `${size.toString(16)};x=1\r\n${"b".repeat(size)}\r\n`);
  return request("POST /", ["Transfer-Encoding: chunked"], `${coded.join("")}0\r\n\r\n`);
}

/** The proxy answers by itself; the backend sees nothing. Whether the connection goes on is its own affair. */
async function tooMuch(
  { open, backend, settled }: Scene,
  bytes: string,
  statuses: readonly number[],
): Promise<void> {
  const client = await open();
  const given = await client.send(bytes).readResponse();
  assert.ok(statuses.includes(given.status), `${given.status} is not ${statuses.join(" or ")}`);
  await settled();
  assert.equal(backend.requestsSeen, 0, "the backend saw the request");
}

/** As above for what never ends: answered, or cut, before it has. */
async function endless({ open, backend }: Scene, start: string, piece: string): Promise<void> {
  const client = await open();
  client.send(start);
  await sendWithoutEnd(client, piece, () => client.unread.length > 0);
  if (client.unread.length > 0) assert.match((await client.readHead()).status.toString(), /^(400|414|431)$/);
  assert.equal(backend.requestsSeen, 0, "the backend saw the request");
}

const p = { promise: "limits", profile: "limits" } as const;

export const limits: readonly Case[] = [
  ...EDGES.flatMap(({ what, needs, statuses, source, exact, over }): Case[] => [
    {
      ...p,
      says: `${what} at the limit passes`,
      source,
      needs,
      run: async ({ exchange }) => {
        assert.equal((await exchange(exact)).answer.status, 200);
      },
    },
    {
      ...p,
      says: `${what} one past the limit is refused with ${statuses[0]}`,
      source,
      needs,
      run: async (scene) => {
        await tooMuch(scene, over, statuses);
      },
    },
  ]),
  {
    ...p,
    says: "a head of exactly the limit passes, one byte more is refused with 431",
    source: "RFC 6585 §5",
    daemonOnly: true,
    run: async (scene) => {
      const { answer: given } = await scene.exchange(padded(get(), LIMITS.maxHeaderBytes));
      assert.equal(given.status, 200);
      const client = await scene.open();
      const refusal = await client.send(padded(get(), LIMITS.maxHeaderBytes + 1)).readResponse();
      assert.equal(refusal.status, 431);
      assert.equal(scene.backend.requestsSeen, 1);
    },
  },
  {
    ...p,
    says: "a head of four times the limit is refused with 431",
    source: "RFC 6585 §5; buffers of others are rounded up",
    needs: "max_header_bytes",
    run: async (scene) => {
      await tooMuch(scene, padded(get(), 4 * LIMITS.maxHeaderBytes), [431, 400]);
    },
  },
  {
    ...p,
    says: "a head past the limit is refused also when it comes in small pieces",
    source: "a limit counts the head, not the read",
    needs: "max_header_bytes",
    run: async ({ open, backend }) => {
      const client = await open();
      const head = padded(get(), 4 * LIMITS.maxHeaderBytes);
      for (let at = 0; at < head.length; at += 64) client.send(head.slice(at, at + 64));
      // What is on its way when a proxy closes may take its answer with it.
      const given = await readUnlessCut(client);
      if (given) assert.match(given.status.toString(), /^(431|400)$/);
      assert.equal(backend.requestsSeen, 0);
    },
  },
  {
    ...p,
    says: "a head that comes byte by byte passes",
    source: "RFC 9112 §2.2: a message is bytes, not packets",
    run: async ({ open, backend }) => {
      const client = await open();
      for (const byte of get("/bytes", "X-A: 1")) client.send(byte);
      const seen = await backend.request();
      assert.equal(seen.field("x-a"), "1");
      seen.answer(OK);
      assert.equal((await client.readResponse()).text, "ok");
    },
  },
  {
    ...p,
    says: "a target without end is refused while it still comes",
    source: "RFC 9112 §3: long before its line end",
    needs: "max_target_bytes",
    run: (scene) => endless(scene, "GET /", "a"),
  },
  {
    ...p,
    says: "a field without end is refused while it still comes",
    source: "RFC 6585 §5",
    needs: "max_header_bytes",
    run: (scene) => endless(scene, "GET / HTTP/1.1\r\nHost: h\r\nX-A: ", "a"),
  },
  {
    ...p,
    says: "fields without end are refused while they still come",
    source: "RFC 6585 §5; each is small, all are not",
    needs: "max_header_bytes",
    run: (scene) => endless(scene, "GET / HTTP/1.1\r\nHost: h\r\n", "X-A: a\r\n"),
  },
  {
    ...p,
    says: "chunk extensions without end are refused while they still come",
    source: "CVE-2024-22019 (Node.js), CVE-2023-39326 (Go)",
    needs: "max_body_bytes",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", ["Transfer-Encoding: chunked"], "1;"));
      await sendWithoutEnd(client, "x", () => client.unread.length > 0);
      if (client.unread.length > 0) assert.ok((await client.readHead()).status >= 400);
      backend.respond(() => undefined); // it may have seen the head
      assert.ok(backend.requests.every(({ isComplete }) => !isComplete));
    },
  },
  {
    ...p,
    says: "trailers past the limit of a head are refused with 431, and the backend's request is not completed",
    source: "RFC 9110 §6.5: a limit on heads is none when trailers have none",
    daemonOnly: true,
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(request("POST /", ["Transfer-Encoding: chunked"], "1\r\nb\r\n0\r\n"));
      const seen = await backend.request();
      client.send(`X-Trailer: ${"t".repeat(LIMITS.maxHeaderBytes)}\r\n\r\n`);
      assert.equal((await client.readResponse()).status, 431);
      await seen.connection.waitClosed();
      assert.equal(seen.isComplete, false);
    },
  },
  {
    ...p,
    says: "a body at the limit passes, by its length and in chunks",
    source: "RFC 9110 §15.5.14",
    needs: "max_body_bytes",
    run: async ({ open, backend }) => {
      for (const bytes of [
        uploadBytes("b".repeat(LIMITS.maxBodyBytes)),
        chunks(1, LIMITS.maxBodyBytes - 1),
      ]) {
        const client = await open();
        client.send(bytes);
        const seen = await backend.request();
        assert.equal((await seen.body()).length, LIMITS.maxBodyBytes);
        seen.answer(OK);
        assert.equal((await client.readResponse()).status, 200);
      }
    },
  },
  {
    ...p,
    says: "sizes and extensions of chunks do not count as body",
    source: "RFC 9112 §7.1",
    needs: "max_body_bytes",
    run: async ({ open, backend }) => {
      const client = await open();
      client.send(chunks(...Array<number>(LIMITS.maxBodyBytes).fill(1)));
      const seen = await backend.request();
      assert.equal((await seen.body()).length, LIMITS.maxBodyBytes);
      seen.answer(OK);
      assert.equal((await client.readResponse()).status, 200);
    },
  },
  {
    ...p,
    says: "a length past the limit is refused with 413 before anything of the body has come",
    source: "RFC 9110 §15.5.14",
    needs: "max_body_bytes",
    run: async (scene) => {
      await tooMuch(scene, request("POST /", [`Content-Length: ${LIMITS.maxBodyBytes + 1}`]), [413]);
    },
  },
  {
    ...p,
    says: "a client that asks first whether it may send too much is told 413, never to go on",
    source: "RFC 9110 §10.1.1",
    needs: "max_body_bytes",
    run: async ({ open, backend }) => {
      const client = await open();
      const fields = [`Content-Length: ${LIMITS.maxBodyBytes + 1}`, "Expect: 100-continue"];
      const given = await client.send(request("POST /", fields)).readResponse();
      assert.deepEqual([given.status, given.interim, backend.requestsSeen], [413, [], 0]);
    },
  },
  {
    ...p,
    says: "a body that was refused is never read as a request",
    source: "RFC 9112 §9.3: read it, or close",
    needs: "max_body_bytes",
    run: async ({ open, backend, settled }) => {
      const client = await open();
      const body = get("/smuggled").repeat(Math.ceil((LIMITS.maxBodyBytes + 1) / get("/smuggled").length));
      assert.ok((await client.send(uploadBytes(body)).readResponse()).status >= 400);
      backend.respond(() => undefined); // it may have seen the head
      await settled();
      const targets = backend.requests.map(({ target }) => target);
      assert.deepEqual([client.unread.toString(), targets.includes("/smuggled")], ["", false]);
    },
  },
  {
    ...p,
    says: "a chunked body is refused with 413 at the byte past the limit, and the backend's request is not completed",
    source: "RFC 9110 §15.5.14; HAProxy counts only what it has buffered",
    needs: "max_body_bytes",
    run: async ({ open, backend, settled }) => {
      backend.respond(async (seen) => {
        await seen.discardBody();
        return OK;
      });
      const client = await open();
      const given = await client.send(chunks(LIMITS.maxBodyBytes, 1)).readResponse();
      assert.equal(given.status, 413);
      await settled();
      assert.ok(
        backend.requests.every(({ isComplete }) => !isComplete),
        "the backend got a whole request",
      );
    },
  },
  {
    ...p,
    says: "a refusal says which limit it was, and that the connection closes",
    source: "RFC 9457; the daemon's table of errors",
    daemonOnly: true,
    run: async ({ refused }) => {
      const expected: readonly (readonly [bytes: string, status: number, code: string])[] = [
        [get(`/${"a".repeat(LIMITS.maxTargetBytes)}`), 414, "TARGET_TOO_LONG"],
        [padded(get(), LIMITS.maxHeaderBytes + 1), 431, "HEADERS_TOO_LARGE"],
        [get("/", ...fieldLines(LIMITS.maxHeaderCount)), 431, "HEADERS_TOO_LARGE"],
        [uploadBytes("b".repeat(LIMITS.maxBodyBytes + 1)), 413, "BODY_TOO_LARGE"],
      ];
      for (const [bytes, status, code] of expected) {
        const given = await refused(bytes, status);
        assert.equal(given.header("content-type"), "application/problem+json");
        assert.equal(JSON.parse(given.text).code, code);
        assert.match(given.headerAll("connection").join(), /close/);
      }
    },
  },
  {
    ...p,
    says: "the head of an answer at the limit passes, one byte more is a 502",
    source: "the daemon's upstream.max_header_bytes",
    needs: "upstream_max_header_bytes",
    run: async (scene) => {
      const exact = padded(answer("200 OK"), LIMITS.upstreamMaxHeaderBytes);
      assert.equal((await scene.exchange(get(), exact)).answer.status, 200);
      await refusedAnswer(scene, padded(answer("200 OK"), LIMITS.upstreamMaxHeaderBytes + 1));
    },
  },
  {
    ...p,
    says: "the number of an answer's fields at the limit passes, one more is a 502",
    source: "the daemon's upstream.max_header_count",
    needs: "upstream_max_header_count",
    run: async (scene) => {
      const lines = fieldLines(LIMITS.upstreamMaxHeaderCount);
      const exact = await scene.exchange(get(), answer("200 OK", lines.slice(1))); // Content-Length is one too
      assert.equal(exact.answer.status, 200);
      await refusedAnswer(scene, answer("200 OK", lines));
    },
  },
];
