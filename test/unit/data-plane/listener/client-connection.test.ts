/**
 * ClientConnection: reads requests and writes answers on a real connection; what to do with them is the test's to say.
 */
import assert from "node:assert/strict";
import { type TestContext, test as testOnce } from "node:test";
import type { ForwardErrorCode } from "../../../../src/core/errors.ts";
import type { ClientEvents } from "../../../../src/data-plane/forward/client-stream.ts";
import {
  ClientConnection,
  type ConnectionLimits,
  keepAliveLines,
} from "../../../../src/data-plane/listener/client-connection.ts";
import { clientSide } from "../../../../src/data-plane/listener/client-side.ts";
import type { RequestHead } from "../../../../src/wire/request-head.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";
import { transportPair, type WatchedTransport } from "../../../support/watched-transport.ts";

const limit = { timeout: 20_000 };
const KIB = 1_024;
const LIMITS: ConnectionLimits = {
  headerTimeoutMs: 1_000,
  keepAliveTimeoutMs: 5_000,
  maxHeaderBytes: 512,
  maxHeaderCount: 10,
  maxTargetBytes: 100,
  maxRequestsPerConnection: 1_000,
};

/** One request as it was told: its head, what came of its body, and how that ended. */
class SeenRequest implements ClientEvents {
  readonly method: string;
  readonly target: string;
  readonly isPersistent: boolean;
  body = "";
  /** `end`, with the trailers, a fault's code, `drained`, `gone`. */
  readonly told: string[] = [];

  constructor(head: RequestHead) {
    this.method = head.method;
    this.target = head.target;
    this.isPersistent = !head.connection.isClose;
  }
  onBodyPiece(piece: Buffer): void {
    assert.ok(piece.length > 0);
    this.body += piece.toString("latin1");
  }
  onBodyReadDone(): void {}
  onBodyEnd(trailers: string): void {
    this.told.push(`end ${trailers}`.trim());
  }
  onBodyFault(code: string): void {
    this.told.push(code);
  }
  onClientDrained(): void {
    this.told.push("drained");
  }
  onClientGone(): void {
    this.told.push("gone");
  }
}

interface Scene {
  readonly connection: ClientConnection;
  readonly transport: WatchedTransport;
  readonly client: RawClient;
  readonly requests: SeenRequest[];
  readonly refusals: ForwardErrorCode[];
  readonly ending: { isEnding: boolean };
  /** What is done with a request when it comes; at first nothing. */
  onRequest: (request: SeenRequest) => void;
  /** Time passes, and the connection is looked at. */
  pass(ms: number): void;
  /** Resolves when so many requests have come. */
  came(count: number): Promise<SeenRequest>;
  /** Answers 200 with `body`, and ends the request. */
  answer(body: string): void;
}

async function startScene(t: TestContext, limits: Partial<ConnectionLimits> = {}): Promise<Scene> {
  const [transport, far] = await transportPair(t, engineOf(t), "client");
  const coarse = { nowMs: 1_000_000 };
  const requests: SeenRequest[] = [];
  const refusals: ForwardErrorCode[] = [];
  const ending = { isEnding: false };
  const connection: ClientConnection = new ClientConnection(transport, clientSide("10.0.0.1", false), {
    limits: { ...LIMITS, ...limits },
    keepAliveLines: keepAliveLines(LIMITS.keepAliveTimeoutMs),
    coarse,
    ending,
    onRequest: (given, head) => {
      const request = new SeenRequest(head);
      requests.push(request);
      given.run(request);
      scene.onRequest(request);
    },
    onRefusal: (code) => refusals.push(code),
  });
  const scene: Scene = {
    connection,
    transport,
    client: new RawClient(far),
    requests,
    refusals,
    ending,
    onRequest: () => {},
    pass: (ms) => {
      coarse.nowMs += ms;
      connection.checkTimeLimits(coarse.nowMs);
    },
    came: async (count) => {
      await waitUntil(`${count} requests`, () => requests.length >= count);
      return requests[count - 1] as SeenRequest;
    },
    answer: (body) => {
      connection.answer(200, [], body, false);
      connection.flush();
      connection.finish();
    },
  };
  return scene;
}

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const UPLOAD = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
const CHUNKED = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Reads to the end the answer that refuses, and the code in it. */
async function refusalOf({
  client,
  refusals,
}: Scene): Promise<[number, string | undefined, readonly string[]]> {
  const answer = await client.readResponse();
  client.end();
  assert.equal(answer.header("connection"), "close");
  assert.equal(await client.waitClosed(), "end");
  return [answer.status, /"code":"(\w+)"/.exec(answer.text)?.[1], refusals];
}

// ── requests in turn ──────────────────────────────────────────────────────────────────────────────

test("requests are told one after the other, whatever pieces they come in", limit, async (t) => {
  const text = `${UPLOAD}hello${GET}${CHUNKED}2\r\nab\r\n0\r\nT: 1\r\n\r\n`;
  for (const pieceBytes of [1, 7, text.length]) {
    const scene = await startScene(t);
    scene.onRequest = ({ method }) => {
      if (method === "GET") scene.answer("x");
      else scene.connection.resumeBody();
    };
    const sent = [...Array(Math.ceil(text.length / pieceBytes))].map((_, i) =>
      text.slice(i * pieceBytes, (i + 1) * pieceBytes),
    );
    const answering = setInterval(() => {
      if (scene.requests.at(-1)?.told.length === 1) scene.answer("y");
    }, 1);
    t.after(() => clearInterval(answering));
    for (const piece of sent) scene.client.send(piece);
    for (const body of ["y", "x", "y"]) assert.equal((await scene.client.readResponse()).text, body);
    const seen = scene.requests.map(({ method, body, told }) => [method, body, told.join()]);
    assert.deepEqual(seen, [
      ["POST", "hello", "end"],
      ["GET", "", ""],
      ["POST", "ab", "end T: 1"],
    ]);
  }
});

test("a request waits until the one before it is over", limit, async (t) => {
  const scene = await startScene(t);
  scene.client.send(`${GET}GET /2 HTTP/1.1\r\nHost: h\r\n\r\n`);
  await scene.came(1);
  await waitUntil("all has been read", () => scene.transport.bytesRead === 2 * GET.length + 1);
  assert.equal(scene.requests.length, 1);
  scene.answer("1");
  assert.equal(scene.requests.length, 2);
  scene.answer("2");
  for (const body of ["1", "2"]) assert.equal((await scene.client.readResponse()).text, body);
});

test("what comes ahead of its turn is held, but only so much of it", limit, async (t) => {
  const scene = await startScene(t, { maxRequestsPerConnection: Number.POSITIVE_INFINITY });
  scene.client.send(GET.repeat(30_000));
  await scene.came(1);
  await waitUntil("it reads no more", () => scene.transport.isPaused);
  assert.ok(scene.transport.bytesRead < 256 * KIB, `${scene.transport.bytesRead} bytes were read`);
  scene.onRequest = () => scene.answer("");
  scene.answer("");
  await scene.came(30_000);
});

test("a body comes when it is wanted; what came before is held, and no more of it", limit, async (t) => {
  const scene = await startScene(t);
  const bytes = 4 * KIB * KIB;
  scene.client
    .send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n`)
    .send(Buffer.alloc(bytes, "x"));
  const request = await scene.came(1);
  await waitUntil("it reads no more", () => scene.transport.isPaused);
  assert.equal(request.body, "");
  scene.connection.resumeBody();
  assert.ok(request.body.length >= 64 * KIB); // at once, so that it can leave with the head
  scene.connection.pauseBody();
  const before = request.body.length;
  await waitUntil("it reads no more", () => scene.transport.isPaused);
  assert.equal(request.body.length, before);
  scene.connection.resumeBody();
  await waitUntil("it is whole", () => request.told.includes("end"));
  assert.equal(request.body.length, bytes);
});

test("empty lines before a request are skipped", limit, async (t) => {
  const scene = await startScene(t);
  scene.onRequest = () => scene.answer("");
  scene.client.send(`\r\n\r\n${GET}\r\n${GET}`);
  await scene.came(2);
  assert.deepEqual(scene.refusals, []);
});

test(
  "an empty line behind a request is no start of the next: the connection is as idle as before",
  limit,
  async (t) => {
    const scene = await startScene(t);
    scene.onRequest = () => scene.answer("");
    scene.client.send(GET);
    await scene.client.readResponse();
    for (const piece of ["\r\n", "\r", "\n"]) {
      const before = scene.transport.bytesRead;
      scene.client.send(piece);
      await waitUntil("it is read", () => scene.transport.bytesRead > before);
    }
    assert.equal(scene.connection.isIdle, true);
    scene.pass(LIMITS.headerTimeoutMs + 1);
    assert.deepEqual(scene.refusals, []);
    scene.client.send(GET);
    assert.equal((await scene.client.readResponse()).status, 200);
  },
);

// ── what is refused ───────────────────────────────────────────────────────────────────────────────

for (const [what, bytes, status, code] of [
  ["a malformed head", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400, "MALFORMED_REQUEST"],
  ["a control character, before the head has ended", "GET /\0", 400, "MALFORMED_REQUEST"],
  ["a bare LF, before the head has ended", "GET / HTTP/1.1\n", 400, "MALFORMED_REQUEST"],
  ["TLS", "\x16\x03\x01\x02", 400, "MALFORMED_REQUEST"],
  ["too many fields", `GET / HTTP/1.1\r\n${"A: 1\r\n".repeat(11)}\r\n`, 431, "HEADERS_TOO_LARGE"],
  ["too long a target", `GET /${"x".repeat(100)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414, "TARGET_TOO_LONG"],
  ["a target that does not end", `GET /${"x".repeat(600)}`, 414, "TARGET_TOO_LONG"],
  [
    "too long a target in too large a head",
    `GET /${"x".repeat(101)} HTTP/1.1\r\n${"x".repeat(500)}`,
    414,
    "TARGET_TOO_LONG",
  ],
  ["a head that does not end", `GET / HTTP/1.1\r\nX: ${"x".repeat(600)}`, 431, "HEADERS_TOO_LARGE"],
] as const) {
  test(`${what} is refused at once with ${status}, and nothing behind it is read`, limit, async (t) => {
    const scene = await startScene(t);
    scene.client.send(`${bytes}${bytes.endsWith("\r\n\r\n") ? GET : ""}`);
    assert.deepEqual(await refusalOf(scene), [status, code, [code]]);
    assert.deepEqual(scene.requests, []);
  });
}

test("head, target and number of fields may be as large as their limits", limit, async (t) => {
  const start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
  for (const bytes of [
    `${start}${"x".repeat(LIMITS.maxHeaderBytes - start.length - 4)}\r\n\r\n`,
    `\r\n\r\n${start}${"x".repeat(LIMITS.maxHeaderBytes - start.length - 4)}\r\n\r\n`,
    `GET /${"x".repeat(LIMITS.maxTargetBytes - 1)} HTTP/1.1\r\nHost: h\r\n\r\n`,
    `GET / HTTP/1.1\r\n${"A: 1\r\n".repeat(LIMITS.maxHeaderCount)}\r\n`,
  ]) {
    const scene = await startScene(t);
    scene.client.send(bytes);
    await scene.came(1);
  }
  const over = await startScene(t);
  over.client.send(`${start}${"x".repeat(LIMITS.maxHeaderBytes - start.length - 3)}\r\n\r\n`);
  assert.deepEqual(await refusalOf(over), [431, "HEADERS_TOO_LARGE", ["HEADERS_TOO_LARGE"]]);
});

test("a malformed body is told as such, and nothing behind it is read", limit, async (t) => {
  const scene = await startScene(t);
  scene.onRequest = () => scene.connection.resumeBody();
  scene.client.send(`${CHUNKED}2\r\nab\r\nx\r\n${GET}`);
  const request = await scene.came(1);
  await waitUntil("it is told", () => request.told.length === 1);
  assert.deepEqual([request.body, request.told], ["ab", ["MALFORMED_REQUEST"]]);
  scene.answer("no");
  const answer = await scene.client.readResponse();
  assert.equal(answer.header("connection"), "close");
  assert.equal(await scene.client.waitClosed(), "end");
  assert.equal(scene.requests.length, 1);
});

test("trailers that are too large are told as such", limit, async (t) => {
  const scene = await startScene(t);
  scene.onRequest = () => scene.connection.resumeBody();
  scene.client.send(`${CHUNKED}0\r\nX: ${"x".repeat(600)}`);
  const request = await scene.came(1);
  await waitUntil("it is told", () => request.told.length === 1);
  assert.deepEqual(request.told, ["HEADERS_TOO_LARGE"]);
});

// ── answers ───────────────────────────────────────────────────────────────────────────────────────

test("an answer says how its body ends and whether the connection goes on", limit, async (t) => {
  for (const [start, framing, expected] of [
    ["GET / HTTP/1.1\r\n", "length", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"],
    ["GET / HTTP/1.1\r\n", "none", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"],
    [
      "GET / HTTP/1.1\r\n",
      "chunked",
      "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n",
    ],
    ["GET / HTTP/1.1\r\n", "close", "Connection: close\r\n\r\n"],
    ["GET / HTTP/1.1\r\nConnection: close\r\n", "length", "Connection: close\r\n\r\n"],
    ["GET / HTTP/1.0\r\n", "length", "Connection: close\r\n\r\n"],
    [
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
      "length",
      "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n",
    ],
  ] as const) {
    const scene = await startScene(t);
    scene.client.send(`${start}Host: h\r\n\r\n`);
    await scene.came(1);
    scene.connection.beginAnswer("HTTP/1.1 200 OK\r\nA: 1\r\n", framing);
    scene.connection.flush();
    assert.equal(await scene.client.readUntil("\r\n\r\n"), `HTTP/1.1 200 OK\r\nA: 1\r\n${expected}`);
  }
});

test("pieces, chunks and trailers go out as they are framed", limit, async (t) => {
  for (const [framing, expected] of [
    ["length", "ab"],
    ["close", "ab"],
    ["chunked", "2\r\nab\r\n0\r\nT: 1\r\n\r\n"],
  ] as const) {
    const scene = await startScene(t);
    scene.client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    await scene.came(1);
    scene.connection.beginAnswer("HTTP/1.1 200 OK\r\n", framing);
    scene.connection.writePiece(Buffer.from("ab"));
    scene.connection.endAnswer("T: 1\r\n");
    scene.connection.finish();
    const answer = (await scene.client.readToEnd()).toString();
    assert.equal(answer.slice(answer.indexOf("\r\n\r\n") + 4), expected);
  }
});

test("an answer of our own has a date, a length and, but for HEAD, its body", limit, async (t) => {
  for (const method of ["GET", "HEAD"]) {
    const scene = await startScene(t);
    scene.client.send(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
    await scene.came(1);
    scene.connection.answer(404, ["A", "1", "B", "2"], "n\u00f6", false);
    scene.connection.flush();
    const answer = await scene.client.readResponse({ method });
    assert.deepEqual(
      [answer.status, answer.reason, answer.text],
      [404, "Not Found", method === "HEAD" ? "" : "n\u00f6"],
    );
    assert.deepEqual(
      [answer.header("content-length"), answer.header("a"), answer.header("b")],
      ["3", "1", "2"],
    );
    assert.ok(Math.abs(Date.parse(answer.header("date") ?? "") - Date.now()) < 5_000);
  }
});

test("interim answers go before the answer, never into it", limit, async (t) => {
  const scene = await startScene(t);
  scene.client.send(GET);
  await scene.came(1);
  scene.connection.writeInterim("HTTP/1.1 103 x\r\nL: a\r\n");
  scene.connection.beginAnswer("HTTP/1.1 204 x\r\n", "none");
  scene.connection.writeInterim("HTTP/1.1 102 too late\r\n");
  scene.connection.flush();
  scene.connection.finish();
  const answer = await scene.client.readResponse();
  assert.deepEqual(
    answer.interim.map(({ status, headers }) => [status, headers.flat()]),
    [[103, ["L", "a"]]],
  );
  assert.equal(answer.status, 204);
  assert.equal(scene.client.unread.length, 0);
});

test("an answer of which nothing has left can be taken back for another one", limit, async (t) => {
  const scene = await startScene(t);
  scene.client.send(GET);
  await scene.came(1);
  const { connection } = scene;
  assert.equal(connection.retractAnswer(), false);
  connection.writeInterim("HTTP/1.1 103 x\r\n");
  connection.beginAnswer("HTTP/1.1 200 OK\r\n", "chunked");
  connection.writePiece(Buffer.from("ab"));
  assert.deepEqual(
    [connection.isAnswered, connection.retractAnswer(), connection.isAnswered],
    [true, true, false],
  );
  scene.answer("instead");
  const answer = await scene.client.readResponse();
  assert.deepEqual([answer.interim.length, answer.text, answer.framing], [1, "instead", "length"]);
  scene.client.send(GET);
  await scene.came(2);
  connection.beginAnswer("HTTP/1.1 200 OK\r\n", "length");
  connection.flush();
  assert.equal(connection.retractAnswer(), false);
});

test("a broken off answer never looks complete: without a length only a reset says so", limit, async (t) => {
  for (const [framing, ending] of [
    ["length", "end"],
    ["chunked", "end"],
    ["close", "reset"],
  ] as const) {
    const scene = await startScene(t);
    scene.client.send(GET);
    await scene.came(1);
    const length = framing === "length" ? "Content-Length: 9\r\n" : "";
    scene.connection.beginAnswer(`HTTP/1.1 200 OK\r\n${length}`, framing);
    scene.connection.writePiece(Buffer.from("half"));
    scene.connection.flush();
    await scene.client.readUntil("\r\n\r\n");
    scene.connection.breakOff();
    scene.connection.finish();
    assert.equal(await scene.client.waitClosed(), ending);
    const rest = scene.client.unread.toString();
    assert.equal(rest, framing === "chunked" ? "4\r\nhalf\r\n" : "half");
  }
});

test(
  "a client that waits for it is told to go on, once its body is wanted here and has not come",
  limit,
  async (t) => {
    const head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";
    for (const [bytes, isTold] of [
      [head, true],
      [`${head}x`, false],
      [head.replace("100-Continue", "x"), false],
      [head.replace("HTTP/1.1", "HTTP/1.0"), false],
    ] as const) {
      const scene = await startScene(t);
      scene.onRequest = () => {
        scene.connection.writeContinue();
        scene.answer("");
      };
      scene.client.send(bytes);
      const answer = await scene.client.readResponse();
      assert.equal(answer.interim.length, isTold ? 1 : 0, JSON.stringify(bytes));
    }
  },
);

test(
  "a client that reads no more is told by the flush; when it reads again that is told, and when all has left",
  limit,
  async (t) => {
    const scene = await startScene(t);
    scene.client.send(GET);
    const request = await scene.came(1);
    scene.client.pause();
    scene.connection.beginAnswer("HTTP/1.1 200 OK\r\n", "close");
    let sent = 0;
    do {
      assert.ok(++sent < 1_000, "64 MiB were taken");
      scene.connection.writePiece(Buffer.alloc(64 * KIB));
      scene.connection.flush();
    } while (scene.connection.isFlushed());
    assert.equal(scene.connection.flush(), false);
    assert.deepEqual(request.told, []);
    scene.client.resume();
    await waitUntil("all has left", () => request.told.includes("drained") && scene.connection.isFlushed());
  },
);

// ── how long it goes on ───────────────────────────────────────────────────────────────────────────

test(
  "an answer closes the connection when its client still waits to be asked for the body",
  limit,
  async (t) => {
    const awaiting = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    const goOn = "HTTP/1.1 100 Continue\r\n";
    for (const [bytes, interim, connection] of [
      [awaiting, "", "close"],
      [awaiting, "HTTP/1.1 103 Early Hints\r\n", "close"],
      [awaiting, goOn, "keep-alive"],
      [`${awaiting}x`, "", "keep-alive"], // it has not waited
      [awaiting.replace("Length: 1", "Length: 0"), "", "keep-alive"],
    ] as const) {
      const scene = await startScene(t);
      scene.onRequest = () => {
        if (interim !== "") scene.connection.writeInterim(interim);
        scene.answer("");
      };
      scene.client.send(bytes);
      const answer = await scene.client.readResponse();
      assert.equal(answer.header("connection"), connection, JSON.stringify([bytes, interim]));
    }
  },
);

test("after as many requests as allowed the last answer says that it closes", limit, async (t) => {
  const scene = await startScene(t, { maxRequestsPerConnection: 3 });
  scene.onRequest = () => scene.answer("");
  scene.client.send(GET.repeat(5));
  for (const connection of ["keep-alive", "keep-alive", "close"]) {
    assert.equal((await scene.client.readResponse()).header("connection"), connection);
  }
  assert.equal(await scene.client.waitClosed(), "end");
  assert.equal(scene.requests.length, 3);
});

test(
  "an answer before the end of the upload: the rest is thrown away, then the next request is read",
  limit,
  async (t) => {
    for (const [head, half, rest] of [
      [UPLOAD, "he", "llo"],
      [CHUNKED, "2\r\nab\r\n", "1\r\nc\r\n0\r\nT: 1\r\n\r\n"],
    ] as const) {
      const scene = await startScene(t);
      scene.client.send(`${head}${half}`);
      const first = await scene.came(1);
      scene.answer("early");
      assert.equal((await scene.client.readResponse()).header("connection"), "keep-alive");
      scene.client.send(`${rest}${GET}`);
      await scene.came(2);
      assert.deepEqual([first.body, first.told], ["", []]);
    }
  },
);

test(
  "an upload that is malformed or does not end after its answer closes the connection",
  limit,
  async (t) => {
    const malformed = await startScene(t);
    malformed.client.send(CHUNKED);
    await malformed.came(1);
    malformed.answer("early");
    malformed.client.send(`x\r\n${GET}`);
    assert.equal((await malformed.client.readResponse()).text, "early");
    assert.equal(await malformed.client.waitClosed(), "end");
    assert.equal(malformed.requests.length, 1);
    const endless = await startScene(t);
    endless.client.send(UPLOAD);
    await endless.came(1);
    endless.answer("early");
    endless.pass(5_000);
    assert.equal(endless.transport.isDestroyed, false);
    endless.pass(1);
    await endless.client.waitClosed();
  },
);

test("a connection on which nothing comes is closed without a word, in time", limit, async (t) => {
  const scene = await startScene(t);
  assert.deepEqual([scene.connection.isIdle, scene.connection.isSilent], [true, true]);
  scene.pass(1_000);
  assert.equal(scene.transport.isOver, false);
  scene.pass(1);
  assert.equal((await scene.client.readToEnd()).length, 0);
  assert.deepEqual(scene.refusals, []);
});

test("a head that does not end gets 408, counted from its first byte", limit, async (t) => {
  const scene = await startScene(t);
  scene.pass(900);
  scene.client.send("GET / HT");
  await waitUntil("it is read", () => scene.transport.bytesRead === 8);
  assert.deepEqual([scene.connection.isIdle, scene.connection.isSilent], [false, false]);
  scene.pass(1_000);
  scene.client.send("TP/1.1\r\n"); // more of it does not buy time
  await waitUntil("it is read", () => scene.transport.bytesRead === 16);
  assert.deepEqual(scene.refusals, []);
  scene.pass(1);
  assert.deepEqual(await refusalOf(scene), [408, "REQUEST_TIMEOUT", ["REQUEST_TIMEOUT"]]);
});

test("an idle connection is closed without a word after the keep-alive time", limit, async (t) => {
  const scene = await startScene(t);
  scene.onRequest = () => scene.answer("");
  scene.pass(500);
  scene.client.send(GET);
  await scene.client.readResponse();
  assert.deepEqual([scene.connection.isIdle, scene.connection.isSilent], [true, false]);
  scene.pass(5_000);
  assert.equal(scene.transport.isOver, false);
  scene.pass(1);
  assert.equal((await scene.client.readToEnd()).length, 0);
});

test(
  "after the end of an answer that closes the client has a while to read it, then the connection is gone",
  limit,
  async (t) => {
    const scene = await startScene(t, { maxRequestsPerConnection: 1 });
    scene.onRequest = () => scene.answer("bye");
    scene.client.send(GET);
    assert.equal((await scene.client.readResponse()).text, "bye");
    assert.equal(await scene.client.waitClosed(), "end");
    scene.client.send("what nobody reads");
    scene.pass(1_000);
    assert.equal(scene.transport.isDestroyed, false);
    scene.pass(1);
    assert.equal(scene.transport.isDestroyed, true);
  },
);

test(
  "what still comes behind the last answer is thrown away, and the client's end closes",
  limit,
  async (t) => {
    const scene = await startScene(t, { maxRequestsPerConnection: 1 });
    scene.onRequest = () => scene.answer("bye");
    scene.client.send(GET);
    assert.equal((await scene.client.readResponse()).text, "bye");
    await scene.client.sendAll(Buffer.from(GET.repeat(100_000)));
    scene.client.end();
    await waitUntil("it is closed", () => scene.transport.isClosed);
    assert.equal(scene.requests.length, 1);
  },
);

test(
  "a client that said that it sends nothing more is not waited for: closed when its answer has left",
  limit,
  async (t) => {
    for (const [bytes, isWaitedFor] of [
      ["GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false],
      ["GET / HTTP/1.0\r\n\r\n", false],
      ["GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nmore", true],
      ["POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", true],
      [CHUNKED.replace("\r\n", "\r\nConnection: close\r\n"), true],
    ] as const) {
      const scene = await startScene(t);
      scene.onRequest = () => scene.answer("bye");
      scene.client.send(bytes);
      assert.equal((await scene.client.readResponse()).text, "bye", bytes);
      assert.equal(await scene.client.waitClosed(), "end", bytes);
      if (isWaitedFor) assert.equal(scene.transport.isDestroyed, false, bytes);
      else await waitUntil("it is closed", () => scene.transport.isClosed);
    }
  },
);

test(
  "a last answer that is still on its way arrives whole, although the client has ended its side",
  limit,
  async (t) => {
    const scene = await startScene(t);
    scene.client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    await scene.came(1);
    scene.client.pause();
    const body = "x".repeat(8 * KIB * KIB);
    scene.answer(body);
    scene.client.end();
    await waitUntil("its end is read", () => scene.transport.hasEnded);
    scene.client.resume();
    assert.ok((await scene.client.readResponse()).text === body);
    await waitUntil("it is closed", () => scene.transport.isClosed);
  },
);

test("a refusal behind a HEAD request has its body: it answers nothing that was asked", limit, async (t) => {
  const scene = await startScene(t);
  scene.onRequest = () => scene.answer("left out");
  scene.client.send(`${GET.replace("GET", "HEAD")}nonsense\r\n\r\n`);
  assert.equal((await scene.client.readResponse({ method: "HEAD" })).status, 200);
  assert.deepEqual(await refusalOf(scene), [400, "MALFORMED_REQUEST", ["MALFORMED_REQUEST"]]);
});

test(
  "a worker that ends says so in its answers, and closes what is idle and nothing else",
  limit,
  async (t) => {
    const idle = await startScene(t);
    idle.connection.closeIfIdle();
    assert.equal(await idle.client.waitClosed(), "end");
    const begun = await startScene(t);
    begun.client.send("GET");
    await waitUntil("it is read", () => begun.transport.bytesRead === 3);
    begun.connection.closeIfIdle();
    begun.ending.isEnding = true;
    begun.client.send(GET.slice(3));
    await begun.came(1);
    begun.connection.closeIfIdle();
    begun.answer("last");
    const answer = await begun.client.readResponse();
    assert.deepEqual([answer.text, answer.header("connection")], ["last", "close"]);
    assert.equal(await begun.client.waitClosed(), "end");
  },
);

// ── leaving ───────────────────────────────────────────────────────────────────────────────────────

for (const [how, leave] of [
  ["ends its side", (client: RawClient) => client.end()],
  ["resets", (client: RawClient) => client.reset()],
] as const) {
  test(
    `a client that ${how} before its answer has left: that is told once, and the connection closed`,
    limit,
    async (t) => {
      for (const bytes of [GET, `${UPLOAD}he`, `${GET}${GET}`]) {
        const scene = await startScene(t);
        scene.client.send(bytes);
        const request = await scene.came(1);
        await waitUntil("all is read", () => scene.transport.bytesRead === bytes.length);
        leave(scene.client);
        await waitUntil("it is told", () => request.told.length > 0);
        await waitUntil("it is closed", () => scene.transport.isClosed);
        assert.deepEqual([request.told, scene.requests.length], [["gone"], 1]);
        scene.answer("too late, and harmless");
      }
    },
  );

  test(`a client that ${how} between two requests, or within a head, is told to nobody`, limit, async (t) => {
    for (const bytes of [GET, `${GET}GET /`]) {
      const scene = await startScene(t);
      scene.onRequest = () => scene.answer("");
      scene.client.send(bytes);
      await scene.client.readResponse();
      leave(scene.client);
      await waitUntil("it is closed", () => scene.transport.isClosed);
      assert.deepEqual([scene.requests[0]?.told, scene.refusals], [[], []]);
    }
  });
}

test(
  "a connection that is handed over takes the bytes behind the request along, and is no longer ours",
  limit,
  async (t) => {
    const scene = await startScene(t);
    scene.client.send(`${GET}early`);
    const request = await scene.came(1);
    const { transport, rest } = scene.connection.detach();
    assert.equal(transport, scene.transport);
    assert.equal(rest.toString(), "early");
    const tunnel = new ToldByTransport(transport);
    scene.client.send(GET).end();
    await tunnel.seen("fin");
    assert.equal(tunnel.text, GET);
    scene.pass(1_000_000);
    scene.connection.finish();
    assert.deepEqual([transport.isDestroyed, request.told, scene.requests.length], [false, [], 1]);
  },
);

testOnce("the hint of how long a connection is kept is in whole seconds, and left out below one", () => {
  assert.deepEqual(keepAliveLines(75_000), {
    plain: "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n",
    chunked: "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n",
  });
  assert.equal(keepAliveLines(1_999).plain, "Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n\r\n");
  assert.equal(keepAliveLines(999).plain, "Connection: keep-alive\r\n\r\n");
});
