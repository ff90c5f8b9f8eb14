/**
 * Headers: what of a head travels on, in both directions, and what is said in our own name.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerLines,
  httpDate,
  interimLines,
  isEventStream,
  isStreamType,
  isWebSocket,
  mediaType,
  upgradeLines,
} from "../../../../src/data-plane/forward/answer-headers.ts";
import {
  type ClientSide,
  clientOf,
  type ForwardedRequest,
  forwardedRequest,
  type HeaderPolicy,
} from "../../../../src/data-plane/forward/headers.ts";
import { Kind } from "../../../../src/wire/fields.ts";
import { answerHead, requestHead } from "../../../support/heads.ts";

/** Says nothing of the client, so that what came is what is left. */
const SILENT: HeaderPolicy = {
  via: null,
  ownName: "ours-1",
  hasXForwarded: false,
  hasForwarded: false,
  isTrusted: () => false,
  streamTypes: [],
};
const X_FORWARDED: HeaderPolicy = { ...SILENT, hasXForwarded: true };
const FORWARDED: HeaderPolicy = { ...SILENT, hasForwarded: true };
const VIA: HeaderPolicy = { ...SILENT, via: "proxy" };

function clientAt(address: string, isTrusted = false): ClientSide {
  return { address, isTrusted, protocol: "http", lastHost: null, lastLines: "" };
}

interface Given {
  readonly policy?: HeaderPolicy;
  readonly client?: ClientSide;
  readonly authority?: string | null;
  readonly start?: string;
}

function forwarded(fields: readonly string[], given: Given = {}) {
  const { policy = SILENT, client = clientAt("10.0.0.9"), authority = null } = given;
  const { start = "GET /t HTTP/1.1" } = given;
  const head = requestHead(start, fields);
  const host = head.fields.has(Kind.HOST) ? head.fields.joined(Kind.HOST) : null;
  return forwardedRequest(head, { target: "/t", authority, host }, client, "backend:1", policy);
}

function requestOf(fields: readonly string[], given: Given = {}): ForwardedRequest {
  const request = forwarded(fields, given);
  assert.ok(!("code" in request), "refused");
  return request;
}

/** The lines that go to the backend, the request line left out. */
function toBackend(fields: readonly string[], given: Given = {}): string[] {
  const { head } = requestOf(fields, given);
  assert.ok(head.endsWith("\r\n\r\n"));
  return head.slice(0, -4).split("\r\n").slice(1);
}

function refusalOf(fields: readonly string[], given: Given = {}): string {
  const request = forwarded(fields, given);
  return "code" in request ? request.code : "none";
}

function linesIn(text: string): string[] {
  assert.ok(text.endsWith("\r\n"));
  return text.slice(0, -2).split("\r\n");
}

/** The lines that go to the client but Date, the status line left out. */
function toClient(
  fields: readonly string[],
  { start = "HTTP/1.1 200 OK", isChunked = false, method = "GET", policy = SILENT } = {},
): string[] {
  const lines = linesIn(answerLines(answerHead(start, fields, method), isChunked, policy));
  return lines.slice(1).filter((line) => !line.startsWith("Date: "));
}

const HOST = "Host: h";

// ── requests ──────────────────────────────────────────────────────────────────────────────────────

test("the request line carries method and target as they came, in our own version", () => {
  const { head, method } = requestOf([HOST], { start: "patch /other HTTP/1.1" });
  assert.equal(method, "patch");
  assert.equal(head, "patch /t HTTP/1.1\r\nHost: h\r\n\r\n");
  const old = requestOf([HOST], { start: "GET / HTTP/1.0" });
  assert.equal(old.head, "GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.equal(old.minorVersion, 0);
});

for (const name of [
  "Connection",
  "KEEP-ALIVE",
  "Proxy-Authenticate",
  "proxy-authorization",
  "Proxy-Connection",
  "Proxy",
  "HTTP2-Settings",
  "TE",
  "Trailer",
  "Upgrade",
]) {
  test(`${name} goes to neither side`, () => {
    assert.deepEqual(toBackend([HOST, `${name}: x`, "X-Kept: 1"]), [HOST, "X-Kept: 1"]);
    assert.deepEqual(toClient(["X-Kept: 1", `${name}: x`]), ["X-Kept: 1"]);
  });
}

test("end-to-end lines keep every byte: case, order, number, white space, empty and latin1 values", () => {
  const lines = ["X-b:1", "hOST: h", "x-B: \t2 ", "Cookie: a", "X-Empty:", "cookie: b", "X-L: \xe4\xff"];
  assert.deepEqual(toBackend(lines), lines);
  const named = ["X-Gone: 1", "Connection: x-gone"];
  assert.deepEqual(toBackend([...named, ...lines]), lines);
  assert.deepEqual(toClient(lines), lines);
  assert.deepEqual(toClient([...lines, ...named]), lines);
});

test("names of every length pass, also longer than any that we look for", () => {
  for (const length of [1, 2, 4, 10, 17, 255, 256, 300]) {
    const line = `${"n".repeat(length)}: v`;
    assert.deepEqual(toBackend([HOST, line]), [HOST, line]);
    assert.deepEqual(toClient([line]), [line]);
  }
});

test("a line is taken out wherever it stands: first, last, several in a row, all of them", () => {
  const gone = "Keep-Alive: 1";
  for (const lines of [
    [gone, HOST, "A: 1"],
    [HOST, "A: 1", gone],
    [gone, gone, HOST, gone, gone, "A: 1", gone],
  ]) {
    assert.deepEqual(toBackend(lines), [HOST, "A: 1"]);
    assert.deepEqual(toClient(lines), [HOST, "A: 1"]);
  }
  assert.deepEqual(toClient([gone, gone]), []);
  assert.deepEqual(toClient([]), []);
});

test("what Connection names is removed, over several fields, without case and with spaces", () => {
  const lines = [
    "X-One: 1",
    "Connection:  x-ONE ,, X-Two",
    "connection: x-three",
    "x-two: 2",
    "X-Three: 3",
    "X-Four: 4",
    "X-ONE: 5",
  ];
  assert.deepEqual(toBackend([HOST, ...lines]), [HOST, "X-Four: 4"]);
  assert.deepEqual(toClient(lines), ["X-Four: 4"]);
});

test("a field of a known kind ends here too when Connection names it", () => {
  const lines = ["Connection: date, via, expect", "Date: d", "Via: 1.1 x"];
  assert.deepEqual(toBackend([HOST, ...lines]), [HOST]);
  assert.deepEqual(toClient(lines), []);
});

test("Connection cannot take out Host, the framing, the content's type or our own fields", () => {
  const names =
    "Host, Content-Length, Content-Type, Transfer-Encoding, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, Forwarded, Via";
  const policy = { ...X_FORWARDED, hasForwarded: true, via: "proxy" };
  const given = [
    HOST,
    `Connection: ${names}`,
    "Content-Length: 3",
    "Content-Type: a/b",
    "X-Forwarded-For: 1.1.1.1",
    "Forwarded: for=1.1.1.1",
  ];
  assert.deepEqual(toBackend(given, { policy, start: "POST / HTTP/1.1" }), [
    HOST,
    "Content-Length: 3",
    "Content-Type: a/b",
    "X-Forwarded-For: 10.0.0.9", // the client asked us not to pass on what it said
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: h",
    "X-Real-IP: 10.0.0.9",
    "Forwarded: for=10.0.0.9;host=h;proto=http;by=_ours-1",
    "Via: 1.1 proxy",
  ]);
  assert.deepEqual(
    toClient(["Connection: content-length, content-type", "Content-Length: 3", "Content-Type: a"]),
    ["Content-Length: 3", "Content-Type: a"],
  );
});

test("HTTP/1.0 needs no Host and gets the backend's", () => {
  const old = { start: "GET / HTTP/1.0" };
  assert.deepEqual(toBackend(["X: 1"], old), ["Host: backend:1", "X: 1"]);
  assert.deepEqual(toBackend(["X: 1"], { ...old, authority: "a:2" }), ["Host: a:2", "X: 1"]);
});

test("an empty Host, an address and a port pass as they came", () => {
  for (const host of ["", "h", "h:80", "[::1]:80"])
    assert.deepEqual(toBackend([`Host: ${host}`]), [`Host: ${host}`]);
});

test("the authority of an absolute target replaces Host, once, in its place", () => {
  const given = { authority: "real:1", policy: X_FORWARDED };
  const lines = toBackend(["X: 1", "host: other", "Y: 2"], given);
  assert.deepEqual(lines.slice(0, 3), ["X: 1", "host: real:1", "Y: 2"]);
  assert.ok(lines.includes("X-Forwarded-Host: real:1"));
});

test("a length is passed on in its plain form; whether a body follows is said beside it", () => {
  const post = (...fields: string[]) => requestOf([HOST, ...fields], { start: "POST / HTTP/1.1" });
  const long = post("content-LENGTH: \t007");
  assert.match(long.head, /\r\ncontent-LENGTH: 7\r\n/);
  assert.deepEqual([long.hasBody, long.isChunked, long.contentLength], [true, false, 7]);
  const empty = post("Content-Length: 0");
  assert.match(empty.head, /\r\nContent-Length: 0\r\n/);
  assert.deepEqual([empty.hasBody, empty.contentLength], [false, 0]);
  const none = post();
  assert.deepEqual([none.hasBody, none.contentLength], [false, -1]);
});

test("chunks are announced anew, with their Trailer; without chunks Trailer says nothing", () => {
  const { head, hasBody, isChunked } = requestOf(["transfer-ENCODING: Chunked", HOST, "Trailer: a", "A: 1"], {
    start: "POST / HTTP/1.1",
  });
  assert.deepEqual([hasBody, isChunked], [true, true]);
  assert.equal(
    head,
    "POST /t HTTP/1.1\r\nHost: h\r\nTrailer: a\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
  assert.deepEqual(toBackend([HOST, "Trailer: a", "Content-Length: 1"]), [HOST, "Content-Length: 1"]);
});

test("Expect is the backend's to decide on; from HTTP/1.0 it is no expectation", () => {
  for (const [expect, start, isKept, isAwaited] of [
    ["100-continue", "POST / HTTP/1.1", true, true],
    ["100-CONTINUE", "POST / HTTP/1.1", true, true],
    ["200-ok", "POST / HTTP/1.1", true, false],
    ["100-continue, x", "POST / HTTP/1.1", true, false],
    ["100-continue", "POST / HTTP/1.0", false, false],
  ] as const) {
    const given = [HOST, `Expect: ${expect}`, "Content-Length: 1"];
    assert.deepEqual(toBackend(given, { start }), isKept ? given : [HOST, "Content-Length: 1"]);
    assert.equal(requestOf(given, { start }).expectsContinue, isAwaited, expect);
  }
  assert.equal(requestOf([HOST]).expectsContinue, false);
});

test("of TE only the wish for trailers is passed on, said anew for the next hop", () => {
  for (const te of ["trailers", "Trailers", "gzip, trailers", "trailers ,deflate;q=0.5", "gzip,\ttrailers"]) {
    assert.deepEqual(
      toBackend([HOST, `TE: ${te}`, "A: 1"]),
      [HOST, "A: 1", "Connection: TE", "TE: trailers"],
      te,
    );
  }
  for (const te of ["", "gzip", "xtrailers", "trailers2", "trailers;q=0"]) {
    assert.deepEqual(toBackend([HOST, `TE: ${te}`]), [HOST], te);
  }
});

test("a wish to upgrade is passed on, said anew, for any protocol but HTTP/2", () => {
  for (const [fields, upgrade] of [
    [["Connection: Upgrade", "Upgrade: websocket"], "websocket"],
    [["Connection: keep-alive, upgrade", "Upgrade: Custom/1.0, websocket"], "Custom/1.0, websocket"],
    [["Upgrade: a", "connection: UPGRADE", "upgrade: b"], "a, b"],
    [["Connection: Upgrade", "Upgrade: h2c, websocket"], "websocket"],
    [["Connection: Upgrade", "Upgrade: ,H2,, x , h2C"], "x"],
  ] as const) {
    const request = requestOf([HOST, ...fields, "Sec-WebSocket-Key: k"]);
    assert.equal(request.upgrade, upgrade);
    assert.equal(
      request.head,
      `GET /t HTTP/1.1\r\n${HOST}\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`,
    );
  }
});

test("it is no upgrade without Connection, without a protocol, with a body, or in HTTP/1.0", () => {
  const wish = ["Connection: Upgrade", "Upgrade: websocket"];
  for (const [fields, start] of [
    [["Upgrade: websocket"], "GET / HTTP/1.1"],
    [["Connection: x", "Upgrade: websocket"], "GET / HTTP/1.1"],
    [["Connection: Upgrade"], "GET / HTTP/1.1"],
    [["Connection: Upgrade", "Upgrade:"], "GET / HTTP/1.1"],
    [["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"], "GET / HTTP/1.1"],
    [["Connection: Upgrade", "Upgrade: h2"], "GET / HTTP/1.1"],
    [wish, "GET / HTTP/1.0"],
    [[...wish, "Content-Length: 1"], "POST / HTTP/1.1"],
    [[...wish, "Transfer-Encoding: chunked"], "POST / HTTP/1.1"],
  ] as const) {
    const request = requestOf([HOST, ...fields], { start });
    assert.equal(request.upgrade, null);
    assert.doesNotMatch(request.head, /upgrade|connection/i);
  }
  assert.equal(requestOf([HOST, ...wish, "Content-Length: 0"]).upgrade, "websocket");
});

test("with an upgrade TE is not passed on: Connection names one thing", () => {
  const { head } = requestOf([HOST, "Connection: Upgrade, TE", "Upgrade: x", "TE: trailers"]);
  assert.equal(head, "GET /t HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
});

// ── who the client is ─────────────────────────────────────────────────────────────────────────────

/** The value of a field that the backend sees exactly once; undefined: not at all. */
function valueFor(name: string, fields: readonly string[], given: Given): string | undefined {
  const found = toBackend([HOST, ...fields], given).filter((line) =>
    line.toLowerCase().startsWith(`${name.toLowerCase()}:`),
  );
  assert.ok(found.length < 2, `${name} came ${found.length} times`);
  return found[0]?.slice(name.length + 2);
}

test("the client's address is appended to X-Forwarded-For, in one field", () => {
  const fields = ["X-Forwarded-For: 1.1.1.1", "x-forwarded-FOR: 2.2.2.2, 3.3.3.3"];
  const list = valueFor("X-Forwarded-For", fields, { policy: X_FORWARDED });
  assert.equal(list, "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9");
});

test("X-Forwarded-Proto and -Host of a trusted proxy are believed, of anybody else replaced", () => {
  const said = ["X-Forwarded-Proto: https", "X-Forwarded-Host: public"];
  for (const [fields, isTrusted, protocol, host] of [
    [said, true, "https", "public"],
    [["X-Forwarded-Proto: https, http", "X-Forwarded-Host: a, b"], true, "https", "a"],
    [["X-Forwarded-Proto:", "X-Forwarded-Host: "], true, "http", "h"],
    [said, false, "http", "h"],
    [[], true, "http", "h"],
  ] as const) {
    const given = { policy: X_FORWARDED, client: clientAt("10.0.0.9", isTrusted) };
    assert.equal(valueFor("X-Forwarded-Proto", fields, given), protocol);
    assert.equal(valueFor("X-Forwarded-Host", fields, given), host);
  }
});

test("X-Real-IP is the client found from right to left, never what was sent as such; balancers go by the same", () => {
  const isTrusted = (address: string): boolean => address.startsWith("10.");
  const policy = { ...X_FORWARDED, isTrusted };
  for (const [fields, address, expected] of [
    [["X-Real-IP: 6.6.6.6"], "1.1.1.1", "1.1.1.1"],
    [["X-Forwarded-For: 6.6.6.6, 2.2.2.2, 10.0.0.1"], "10.0.0.9", "2.2.2.2"],
    [["X-Forwarded-For: 6.6.6.6"], "1.1.1.1", "1.1.1.1"],
    [["Forwarded: for=2.2.2.2"], "10.0.0.9", "2.2.2.2"],
    [["Forwarded: for=3.3.3.3", "X-Forwarded-For: 2.2.2.2"], "10.0.0.9", "2.2.2.2"],
  ] as const) {
    const client = clientAt(address, isTrusted(address));
    assert.equal(valueFor("X-Real-IP", fields, { policy, client }), expected, fields.join());
    assert.equal(clientOf(requestHead("GET / HTTP/1.1", fields), client, policy), expected, fields.join());
  }
});

test("Forwarded is appended to, in one field", () => {
  const given = { policy: FORWARDED };
  assert.equal(valueFor("Forwarded", [], given), "for=10.0.0.9;host=h;proto=http;by=_ours-1");
  assert.equal(
    valueFor("Forwarded", ["Forwarded: for=1.1.1.1", "forwarded: for=2.2.2.2"], given),
    "for=1.1.1.1, for=2.2.2.2, for=10.0.0.9;host=h;proto=http;by=_ours-1",
  );
});

test("a request without a host says nothing of one", () => {
  const policy = { ...X_FORWARDED, hasForwarded: true };
  for (const [fields, start] of [
    [["Host:"], "GET / HTTP/1.1"],
    [[], "GET / HTTP/1.0"],
  ] as const) {
    const lines = toBackend(fields, { policy, start });
    assert.ok(lines.every((line) => !line.startsWith("X-Forwarded-Host")));
    assert.ok(lines.includes("Forwarded: for=10.0.0.9;proto=http;by=_ours-1"));
  }
});

test("what is not sent in our name does not pass in the client's either", () => {
  const said = [
    "X-Forwarded-For: 1.1.1.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: a",
    "X-Real-IP: 1.1.1.1",
    "Forwarded: for=1.1.1.1",
  ];
  for (const isTrusted of [true, false]) {
    assert.deepEqual(toBackend([HOST, ...said], { client: clientAt("10.0.0.9", isTrusted) }), [HOST]);
  }
});

test("what was worked out for one request of a connection does not reach another with other fields", () => {
  const client = clientAt("10.0.0.9", true);
  const policy = { ...X_FORWARDED, hasForwarded: true };
  const requests: readonly (readonly string[])[] = [
    ["Host: a"],
    ["Host: a"],
    ["Host: b"],
    ["Host: b", "X-Forwarded-For: 1.1.1.1"],
    ["Host: b", "X-Forwarded-Host: c"],
    ["Host: b", "X-Forwarded-Proto: https"],
    ["Host: b", "Forwarded: for=1.1.1.1"],
    ["Host: b"],
    ["Host:"],
    ["Host: a"],
  ];
  for (const fields of requests) {
    const fresh = toBackend(fields, { policy, client: clientAt("10.0.0.9", true) });
    assert.deepEqual(toBackend(fields, { policy, client }), fresh, fields.join());
  }
});

test("a loop is told by the name that it was seen by", () => {
  const messageFor = (line: string): string => {
    const request = forwarded([HOST, line], { policy: VIA });
    return "message" in request ? request.message : "none";
  };
  assert.match(messageFor("Via: 1.1 proxy"), /"Via: proxy"/);
  assert.match(messageFor("Forwarded: for=1.1.1.1;by=_ours-1"), /through ours-1 before/);
});

test("our name is added to Via, with the version that came; one that has it already is a loop", () => {
  assert.deepEqual(toBackend([HOST, "Via: 1.1 other"], { policy: VIA }), [
    HOST,
    "Via: 1.1 other",
    "Via: 1.1 proxy",
  ]);
  const old = { policy: VIA, start: "GET / HTTP/1.0" };
  assert.deepEqual(toBackend([HOST], old), [HOST, "Via: 1.0 proxy"]);
  for (const via of ["1.1 proxy", "1.1 other, 1.0 PROXY (x)"]) {
    assert.equal(refusalOf([HOST, `Via: ${via}`], { policy: VIA }), "LOOP_DETECTED", via);
    // A client cannot hide a loop by naming the field.
    assert.equal(refusalOf([HOST, `Via: ${via}`, "Connection: via"], { policy: VIA }), "LOOP_DETECTED");
    assert.equal(refusalOf([HOST, `Via: ${via}`]), "none");
  }
  assert.equal(refusalOf([HOST, "Via: 1.1 proxy2"], { policy: VIA }), "none");
});

// ── answers ───────────────────────────────────────────────────────────────────────────────────────

test("the status line is ours in its version and the backend's in the rest", () => {
  for (const [start, line] of [
    ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"],
    ["HTTP/1.0 404 N\xf6t there", "HTTP/1.1 404 N\xf6t there"],
    ["HTTP/1.1 299 ", "HTTP/1.1 299 "],
    ["HTTP/1.1 999", "HTTP/1.1 999 "],
  ] as const) {
    assert.equal(linesIn(answerLines(answerHead(start, []), false, SILENT))[0], line);
  }
});

test("an answer keeps case, order, number and bytes of its lines", () => {
  const lines = [
    "set-cookie: a",
    "X-a:\xff \t",
    "Set-Cookie: b",
    "Empty:",
    "Content-Length: 12",
    "Server: x",
  ];
  assert.deepEqual(toClient(lines), lines);
});

test("white space before a colon is taken out, and the rest of the line with it is put right", () => {
  assert.deepEqual(toClient(["A: 1", "Content-Length \t:  12", "X : y "]), [
    "A: 1",
    "Content-Length: 12",
    "X: y",
  ]);
  assert.deepEqual(toClient(["Keep-Alive : 1", "X-Gone : 1", "Connection : x-gone"]), []);
});

for (const [what, start, fields, method, kept] of [
  ["is kept where a body of it follows", "HTTP/1.1 200 OK", [], "GET", true],
  ["is kept for HEAD", "HTTP/1.1 200 OK", [], "HEAD", true],
  ["is kept in 304", "HTTP/1.1 304 x", [], "GET", true],
  ["is dropped in 204", "HTTP/1.1 204 x", [], "GET", false],
  ["is dropped in 204 to HEAD", "HTTP/1.1 204 x", [], "HEAD", false],
] as const) {
  test(`Content-Length ${what}`, () => {
    const lines = toClient(["Content-Length: 5", ...fields], { start, method });
    assert.deepEqual(lines, kept ? ["Content-Length: 5"] : []);
  });
}

test("205 says that it is empty, whatever it said", () => {
  for (const fields of [["Content-Length: 5"], ["Transfer-Encoding: chunked"], []]) {
    for (const method of ["GET", "HEAD"]) {
      assert.deepEqual(toClient([...fields, "A: 1"], { start: "HTTP/1.1 205 x", method }), [
        "A: 1",
        "Content-Length: 0",
      ]);
    }
  }
});

test("Transfer-Encoding is for one hop; Trailer stays where chunks go on", () => {
  const fields = ["Transfer-Encoding: chunked", "Trailer: a", "A: 1"];
  assert.deepEqual(toClient(fields, { isChunked: true }), ["Trailer: a", "A: 1"]);
  assert.deepEqual(toClient(fields, { isChunked: false }), ["A: 1"]);
});

test("an answer without a Date gets one, one with a Date keeps it", () => {
  const dated = answerLines(answerHead("HTTP/1.1 200 OK", ["dAte: then"]), false, SILENT);
  assert.deepEqual(linesIn(dated).slice(1), ["dAte: then"]);
  const bare = answerLines(answerHead("HTTP/1.1 200 OK", []), false, SILENT);
  const [, date = ""] = linesIn(bare);
  assert.match(date, /^Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.ok(Math.abs(Date.parse(date.slice(6)) - Date.now()) < 2_000);
});

test("the date moves on with the second", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2030, 0, 1) });
  assert.equal(httpDate(), "Tue, 01 Jan 2030 00:00:00 GMT");
  t.mock.timers.tick(999);
  assert.equal(httpDate(), "Tue, 01 Jan 2030 00:00:00 GMT");
  t.mock.timers.tick(1);
  assert.equal(httpDate(), "Tue, 01 Jan 2030 00:00:01 GMT");
});

test("our name is added to Via of answers, with the version that came", () => {
  const fields = ["Via: 1.1 other"];
  assert.deepEqual(toClient(fields, { policy: VIA }), ["Via: 1.1 other", "Via: 1.1 proxy"]);
  assert.deepEqual(toClient([], { start: "HTTP/1.0 200 x", policy: VIA }), ["Via: 1.0 proxy"]);
});

test("an interim answer carries its fields, and neither a length, a date nor a connection", () => {
  const head = answerHead("HTTP/1.1 103 Early Hints", [
    "Link: </a>",
    "link: </b>",
    "Connection: x-gone",
    "X-Gone: 1",
    "Content-Length: 5",
    "Upgrade: x",
  ]);
  assert.equal(interimLines(head, SILENT), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink: </b>\r\n");
  assert.equal(interimLines(answerHead("HTTP/1.1 100 ", []), VIA), "HTTP/1.1 100 \r\nVia: 1.1 proxy\r\n");
});

test("a 101 says to what, for this hop", () => {
  const head = answerHead("HTTP/1.1 101 Switching", [
    "upgrade: WebSocket",
    "Connection: upgrade, x-gone",
    "X-Gone: 1",
    "Sec-WebSocket-Accept: a",
    "Upgrade: b",
  ]);
  assert.equal(
    upgradeLines(head, SILENT),
    "HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket, b\r\n",
  );
});

test("an answer may stay silent when its media type is listed, whatever its parameters and case", () => {
  const policy = { ...SILENT, streamTypes: ["text/event-stream", "video/*"] };
  for (const [type, isStream] of [
    ["text/event-stream", true],
    ["Text/Event-Stream; charset=utf-8", true],
    ["text/event-stream ;a", true],
    ["video/mp4", true],
    ["VIDEO/x;a=b", true],
    ["text/event-streams", false],
    ["text/event", false],
    ["video", false],
    ["videos/mp4", false],
    ["x/text/event-stream", false],
    ["", false],
  ] as const) {
    const head = answerHead("HTTP/1.1 200 OK", [`content-TYPE: ${type}`]);
    assert.equal(isStreamType(mediaType(head), policy), isStream, type);
    assert.equal(isStreamType(mediaType(head), SILENT), false);
  }
  assert.equal(isStreamType(mediaType(answerHead("HTTP/1.1 200 OK", [])), policy), false);
});

test("a stream of events can be ended between two only where nothing hides where one ends, or promises more", () => {
  const type = "Content-Type: text/event-stream;charset=utf-8";
  const chunked = "Transfer-Encoding: chunked";
  for (const [start, fields, isEvents] of [
    ["HTTP/1.1 200 OK", [type, chunked], true],
    ["HTTP/1.1 200 OK", [type], true],
    ["HTTP/1.1 200 OK", [type, chunked, "content-ENCODING: Identity "], true],
    ["HTTP/1.1 200 OK", [type, chunked, "content-ENCODING: gzip"], false],
    ["HTTP/1.1 200 OK", [type, "Content-Length: 9"], false],
    ["HTTP/1.1 204 No Content", [type], false],
    ["HTTP/1.1 205 Reset Content", [type, chunked], false],
    ["HTTP/1.1 500 Oh", [type, chunked], false],
    ["HTTP/1.1 200 OK", ["Content-Type: text/plain", chunked], false],
    ["HTTP/1.1 200 OK", [chunked], false],
  ] as const) {
    const head = answerHead(start, [...fields]);
    assert.equal(isEventStream(mediaType(head), head), isEvents, `${start} ${fields.join(", ")}`);
  }
});

test("a 101 makes a WebSocket when that is all it changes to, whatever its case", () => {
  for (const [protocol, isOne] of [
    ["websocket", true],
    ["WebSocket", true],
    ["websocket, b", false],
    ["b", false],
    ["", false],
  ] as const) {
    const head = answerHead("HTTP/1.1 101 x", ["Connection: upgrade", `Upgrade: ${protocol}`]);
    assert.equal(isWebSocket(head), isOne, protocol);
  }
});

test("a Content-Length goes on as one number behind one space, however it was written", () => {
  for (const written of [": 5", ":5", ":  5", ":\t5", ": 5 ", ":5 ", ": 005", ": 05"]) {
    const lines = toBackend(["Host: h", `Content-length${written}`], { start: "POST /t HTTP/1.1" });
    assert.deepEqual(lines, ["Host: h", "Content-length: 5"], written);
  }
  for (const written of [": 0", ":0", ": 00", ": 0 "]) {
    const lines = toBackend(["Host: h", `Content-length${written}`], { start: "POST /t HTTP/1.1" });
    assert.deepEqual(lines, ["Host: h", "Content-length: 0"], written);
  }
});

test("the request line goes on as HTTP/1.1, with the target that was admitted", () => {
  for (const [start, line] of [
    ["GET /t HTTP/1.1", "GET /t HTTP/1.1"],
    ["GET /t HTTP/1.0", "GET /t HTTP/1.1"],
    ["X-1 http://h/t HTTP/1.1", "X-1 /t HTTP/1.1"],
  ] as const) {
    assert.equal(requestOf(["Host: h"], { start }).head.split("\r\n")[0], line);
  }
});

test("the media type ends at its first separator, and is read in lower case", () => {
  for (const [value, type] of [
    ["text/html", "text/html"],
    ["Text/HTML;charset=x", "text/html"],
    ["text/html , a/b", "text/html"],
    ["text/a\tb", "text/a"],
    ["text/a\xa0b", "text/a"],
    ["text/\xc4", "text/\xe4"],
    ["text/@[Z", "text/@[z"],
    [";", ""],
    ["", ""],
  ] as const) {
    assert.equal(mediaType(answerHead("HTTP/1.1 200 OK", [`Content-Type: ${value}`])), type, value);
  }
});
