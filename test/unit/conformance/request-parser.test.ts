import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestParser } from "../../conformance/request-parser.ts";

const H = "Host: h\r\n";
const CHUNKED = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;

/** What the parser makes of the bytes, sent in pieces of `size`. */
function parse(bytes: string, size = bytes.length): string[] {
  const events: string[] = [];
  let body = "";
  const parser = new RequestParser({
    head: ({ requestLine }) => events.push(requestLine),
    body: (piece) => {
      body += piece.toString("latin1");
    },
    end: (trailers) => {
      events.push(`end ${JSON.stringify(body)}${trailers.map((field) => ` ${field.join("=")}`).join("")}`);
      body = "";
    },
    violation: (what) => events.push(`violation: ${what}`),
  });
  for (let at = 0; at < bytes.length; at += size)
    parser.push(Buffer.from(bytes.slice(at, at + size), "latin1"));
  return events;
}

test("well-formed requests are read one after the other, however the bytes are cut", () => {
  const stream = [
    `GET /a HTTP/1.1\r\n${H}\r\n`,
    `POST /b HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhello`,
    `${CHUNKED}2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n`,
    `POST /d HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`,
    `PUT /e HTTP/1.0\r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\n`,
  ].join("");
  const expected = [
    "GET /a HTTP/1.1",
    'end ""',
    "POST /b HTTP/1.1",
    'end "hello"',
    "POST / HTTP/1.1",
    'end "hello" X-T=1',
    "POST /d HTTP/1.1",
    'end ""',
    "PUT /e HTTP/1.0",
    'end ""',
  ];
  for (const size of [1, 2, 3, 7, 50, stream.length]) assert.deepEqual(parse(stream, size), expected);
});

test("a second request in what the first one's length leaves over is a request of its own", () => {
  const smuggled = `GET /smuggled HTTP/1.1\r\n${H}\r\n`;
  const events = parse(`POST / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhi${smuggled}`);
  assert.deepEqual(events.slice(2), ["GET /smuggled HTTP/1.1", 'end ""']);
});

const VIOLATIONS: Readonly<Record<string, string>> = {
  "a length that is too small": `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhello\r\n\r\n`,
  "both framings": `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "the same length twice": `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
  "a list of lengths": `POST / HTTP/1.1\r\n${H}Content-Length: 2, 2\r\n\r\nhi`,
  "a signed length": `POST / HTTP/1.1\r\n${H}Content-Length: +2\r\n\r\nhi`,
  "an empty length": `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`,
  "a coding besides chunked": `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  "chunks in HTTP/1.0": `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "a chunk size that is no number": `${CHUNKED}zz\r\nhello\r\n0\r\n\r\n`,
  "a chunk size with 0x": `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`,
  "a chunk longer than its size": `${CHUNKED}3\r\nhello\r\n0\r\n\r\n`,
  "a bare LF after a chunk size": `${CHUNKED}5\nhello\r\n0\r\n\r\n`,
  "a bare CR in a chunk extension": `${CHUNKED}5;a\rb\r\nhello\r\n0\r\n\r\n`,
  "a trailer that is no field": `${CHUNKED}0\r\nnonsense\r\n\r\n`,
  "a space before the colon": `GET / HTTP/1.1\r\n${H}X : 1\r\n\r\n`,
  "a folded field": `GET / HTTP/1.1\r\n${H}X: 1\r\n 2\r\n\r\n`,
  "a bare LF in the head": `GET / HTTP/1.1\r\n${H}X: 1\nY: 2\r\n\r\n`,
  "a bare CR in a value": `GET / HTTP/1.1\r\n${H}X: 1\r2\r\n\r\n`,
  "a NUL in a value": `GET / HTTP/1.1\r\n${H}X: 1\x002\r\n\r\n`,
  "a space in the target": `GET /a b HTTP/1.1\r\n${H}\r\n`,
  "an unknown version": `GET / HTTP/2.0\r\n${H}\r\n`,
  "no Host": "GET / HTTP/1.1\r\n\r\n",
  "two Host": `GET / HTTP/1.1\r\n${H}${H}\r\n`,
  "an empty line before the request": `\r\nGET / HTTP/1.1\r\n${H}\r\n`,
};
for (const [what, bytes] of Object.entries(VIOLATIONS)) {
  test(`${what} is a violation, and nothing after it is read`, () => {
    const next = `GET /next HTTP/1.1\r\n${H}\r\n`;
    for (const size of [1, bytes.length + next.length]) {
      const last = parse(bytes + next, size).at(-1);
      assert.match(last ?? "", /^violation: /);
    }
  });
}

test("bytes behind a request that asks for a tunnel wait for the answer", () => {
  const events: string[] = [];
  const parser = new RequestParser({
    head: ({ requestLine }) => events.push(requestLine),
    body: () => undefined,
    end: () => undefined,
    violation: (what) => events.push(what),
  });
  const upgrade = `GET /ws HTTP/1.1\r\n${H}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  parser.push(Buffer.from(`${upgrade}GET /next HTTP/1.1\r\n${H}\r\n`));
  assert.deepEqual(events, ["GET /ws HTTP/1.1"]);
  assert.match(parser.pending.toString(), /^GET \/next/);
  parser.release();
  assert.deepEqual(events, ["GET /ws HTTP/1.1", "GET /next HTTP/1.1"]);
});
