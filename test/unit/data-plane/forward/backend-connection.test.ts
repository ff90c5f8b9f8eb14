/**
 * BackendConnection: one request after the other on a real connection, against a backend that says whatever bytes
 * the test wants.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import {
  type AnswerLimits,
  BackendConnection,
  type ConnectionOwner,
} from "../../../../src/data-plane/forward/backend-connection.ts";
import { engineOf, testEngines as test } from "../../../support/engines.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { SeenAnswer } from "../../../support/seen-answer.ts";
import { ToldByTransport } from "../../../support/told-by-transport.ts";
import { waitUntil } from "../../../support/wait.ts";
import { transportPair, type WatchedTransport } from "../../../support/watched-transport.ts";

const limit = { timeout: 20_000 };
const MIB = 1_024 * 1_024;
const LIMITS: AnswerLimits = { maxHeaderBytes: 512, maxHeaderCount: 10 };

class Owner implements ConnectionOwner {
  readonly limits: AnswerLimits;
  readonly origin = "http://backend:1";
  released = 0;
  gone = 0;
  onRelease: (connection: BackendConnection) => void = () => {};

  constructor(limits: Partial<AnswerLimits>) {
    this.limits = { ...LIMITS, ...limits };
  }
  onReleased(connection: BackendConnection): void {
    this.released++;
    this.onRelease(connection);
  }
  onGone(): void {
    this.gone++;
  }
}

interface Scene {
  readonly connection: BackendConnection;
  /** Our end, and the backend's. */
  readonly transport: WatchedTransport;
  readonly backend: RawClient;
  readonly owner: Owner;
  /** Starts a request without a body, and waits until the backend has read it. */
  ask(method?: string, isUpgrade?: boolean, answer?: SeenAnswer): Promise<SeenAnswer>;
  /** The connection is closed on both sides, and its owner was told once. */
  assertGone(): Promise<void>;
}

async function startScene(t: TestContext, limits: Partial<AnswerLimits> = {}): Promise<Scene> {
  const [transport, far] = await transportPair(t, engineOf(t), "backend");
  const owner = new Owner(limits);
  const connection = new BackendConnection(transport, owner);
  const backend = new RawClient(far);
  return {
    connection,
    transport,
    backend,
    owner,
    ask: async (method = "GET", isUpgrade = false, answer = new SeenAnswer()) => {
      connection.start(answer, method, `${method} / HTTP/1.1\r\nHost: h\r\n\r\n`, isUpgrade);
      connection.endRequest(null);
      await backend.readUntil("\r\n\r\n");
      return answer;
    },
    assertGone: async () => {
      await backend.waitClosed();
      assert.equal(transport.isDestroyed, true);
      assert.deepEqual([owner.gone, owner.released], [1, 0]);
    },
  };
}

/** Sends the parts, each only when the one before was read. */
async function sendApart({ backend, transport }: Scene, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    const bytes = transport.bytesRead + part.length;
    backend.send(part);
    await waitUntil(`${JSON.stringify(part)} is read`, () => transport.bytesRead === bytes, {
      intervalMs: 0,
    });
  }
}

function summary({ told, body, trailers }: SeenAnswer): unknown[] {
  return [told, body, trailers];
}

// ── whole answers ─────────────────────────────────────────────────────────────────────────────────

test("an answer is told in order, and the connection takes another request", limit, async (t) => {
  const scene = await startScene(t);
  const { owner, backend } = scene;
  for (let round = 1; round <= 3; round++) {
    const answer = await scene.ask();
    backend.send("HTTP/1.1 200 OK\r\nX-a: 1\r\nContent-Length: 5\r\n\r\nhello");
    await answer.over();
    assert.deepEqual(summary(answer), [["head 200", "end, open"], "hello", ""]);
    assert.deepEqual(answer.fields, ["X-a", "1", "Content-Length", "5"]);
    assert.equal(owner.released, round);
  }
  assert.equal(owner.gone, 0);
});

const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\nU:\r\n\r\n";
const WHOLE_ANSWERS: readonly (readonly [what: string, bytes: string, method: string, told: unknown[]])[] = [
  [
    "a length",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "GET",
    [["head 200", "end, open"], "hello", ""],
  ],
  [
    "a length of 0",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "GET",
    [["head 200", "end, open"], "", ""],
  ],
  ["chunks and trailers", CHUNKED, "GET", [["head 200", "end, open"], "abcde", "T: 1\r\nU:\r\n"]],
  [
    "interim answers",
    `HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 x\r\nL: a\r\n\r\n${CHUNKED}`,
    "GET",
    [["interim 100", "interim 103", "head 200", "end, open"], "abcde", "T: 1\r\nU:\r\n"],
  ],
  [
    "no body in 204",
    "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
    "GET",
    [["head 204", "end, open"], "", ""],
  ],
  [
    "no body in 304",
    "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
    "GET",
    [["head 304", "end, open"], "", ""],
  ],
  [
    "no body to HEAD",
    "HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n",
    "HEAD",
    [["head 200", "end, open"], "", ""],
  ],
  [
    "no chunks to HEAD",
    "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HEAD",
    [["head 200", "end, open"], "", ""],
  ],
];

for (const [what, bytes, method, told] of WHOLE_ANSWERS) {
  test(
    `an answer with ${what} is the same however it is split, and the next one is not disturbed`,
    limit,
    async (t) => {
      const scene = await startScene(t);
      for (let at = 0; at <= bytes.length; at++) {
        const answer = await scene.ask(method);
        await sendApart(
          scene,
          [bytes.slice(0, at), bytes.slice(at)].filter((part) => part !== ""),
        );
        assert.deepEqual(summary(answer), told, `split at ${at}`);
        assert.equal(scene.owner.released, at + 1);
      }
      const answer = await scene.ask(method);
      await sendApart(scene, [...bytes]);
      assert.deepEqual(summary(answer), told, "byte by byte");
      assert.equal(scene.owner.gone, 0);
    },
  );
}

test("a body is told as it comes, piece by piece, with the end of each read", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask();
  await sendApart(scene, ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "ab", "cd", "ef"]);
  assert.deepEqual([answer.pieces, answer.reads, answer.body], [3, 4, "abcdef"]);
});

test("a body of many reads comes whole, byte for byte", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask();
  const body = Buffer.alloc(3 * MIB, "0123456789abcdef\0\xff", "latin1");
  scene.backend.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).send(body);
  await answer.over();
  assert.ok(answer.body === body.toString("latin1"));
  assert.ok(answer.pieces > 10);
});

test("the owner may start the next request from within the release", limit, async (t) => {
  const scene = await startScene(t);
  const second = new SeenAnswer();
  scene.owner.onRelease = (connection) => {
    if (scene.owner.released > 1) return;
    connection.start(second, "GET", "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", false);
    connection.endRequest(null);
  };
  const first = await scene.ask();
  scene.backend.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
  assert.match(await scene.backend.readUntil("\r\n\r\n"), /^GET \/2 /);
  scene.backend.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
  await second.over();
  assert.deepEqual([first.body, second.body], ["1", "2"]);
});

// ── answers that end the connection ───────────────────────────────────────────────────────────────

for (const [what, head] of [
  ["Connection: close", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"],
] as const) {
  test(`after an answer with ${what} the connection is closed`, limit, async (t) => {
    const scene = await startScene(t);
    const answer = await scene.ask();
    scene.backend.send(`${head}ab`);
    assert.equal(await answer.over(), "end");
    assert.equal(answer.body, "ab");
    await scene.assertGone();
  });
}

test("HTTP/1.0 with keep-alive takes another request", limit, async (t) => {
  const scene = await startScene(t);
  for (const status of [200, 404]) {
    const answer = await scene.ask();
    scene.backend.send(`HTTP/1.0 ${status} x\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na`);
    await answer.seen("end, open");
    assert.equal(answer.status, status);
  }
});

test("without a length the backend's FIN is the end of the body", limit, async (t) => {
  for (const body of ["", "ab"]) {
    const scene = await startScene(t);
    const answer = await scene.ask();
    scene.backend.send(`HTTP/1.1 200 OK\r\n\r\n${body}`).end();
    await answer.over();
    assert.deepEqual(summary(answer), [["head 200", "end"], body, ""]);
    await scene.assertGone();
  }
});

test("without a length a RST is no end: the answer has broken off", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask();
  scene.backend.send("HTTP/1.1 200 OK\r\n\r\nhalf");
  await answer.received(4);
  scene.backend.reset();
  await answer.over();
  assert.deepEqual(answer.told, ["head 200", "failed BACKEND_CLOSED"]);
  await scene.assertGone();
});

// ── answers that break off ────────────────────────────────────────────────────────────────────────

for (const [what, bytes, told] of [
  ["before the answer", "", []],
  ["within the head", "HTTP/1.1 200 OK\r\nA:", []],
  ["behind an interim answer", "HTTP/1.1 103 x\r\n\r\n", ["interim 103"]],
  ["behind the head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ["head 200"]],
  ["one byte before the end", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ["head 200"]],
  ["within a chunk", CHUNKED.slice(0, CHUNKED.indexOf("abc") + 2), ["head 200"]],
  ["between two chunks", CHUNKED.slice(0, CHUNKED.indexOf("2\r\nde")), ["head 200"]],
  ["within the trailers", CHUNKED.slice(0, -2), ["head 200"]],
] as const) {
  for (const [how, end] of [
    ["FIN", (backend: RawClient) => backend.end()],
    ["RST", (backend: RawClient) => backend.reset()],
  ] as const) {
    test(`a ${how} ${what} fails the answer as closed by the backend`, limit, async (t) => {
      const scene = await startScene(t);
      const answer = await scene.ask();
      if (bytes !== "") await sendApart(scene, [bytes]);
      end(scene.backend);
      await answer.over();
      assert.deepEqual(answer.told, [...told, "failed BACKEND_CLOSED"]);
      assert.match(answer.message, /^http:\/\/backend:1 closed the connection/);
      await scene.assertGone();
    });
  }
}

// ── what is no answer ─────────────────────────────────────────────────────────────────────────────

const OK = "HTTP/1.1 200 OK\r\n";
for (const [what, bytes, told, why] of [
  ["another protocol, before its line ends", "SSH-2.0-x", [], /begin like an answer/],
  ["an answer of HTTP/2", "HTTP/2 200\r\n\r\n", [], /begin like an answer|status line/],
  ["an empty line in front", `\r\n${OK}Content-Length: 0\r\n\r\n`, [], /status line/],
  ["a status line that is none", "HTTP/1.1 OK\r\n\r\n", [], /status line/],
  ["a bare LF, before the head has ended", "HTTP/1.1 200 OK\n", [], /bare line end/],
  ["a bare LF instead of CRLF all over", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", [], /bare line end/],
  ["a NUL in the head", `${OK}A: \0`, [], /control character/],
  ["a folded field", `${OK}A: 1\r\n b\r\n\r\n`, [], /folded/],
  ["two lengths", `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, [], /Content-Length/],
  ["a length that is none", `${OK}Content-Length: -1\r\n\r\n`, [], /Content-Length/],
  ["a length and chunks", `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, [], /both/],
  ["another transfer coding", `${OK}Transfer-Encoding: gzip\r\n\r\n`, [], /transfer coding/],
  ["a malformed interim answer", "HTTP/1.1 103 x\r\n : a\r\n\r\n", [], /folded|name/],
  ["a bad chunk size", `${OK}Transfer-Encoding: chunked\r\n\r\nx`, ["head 200"], /chunk size/],
  [
    "a chunk longer than its size",
    `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`,
    ["head 200"],
    /chunk/,
  ],
  ["a malformed trailer", `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n`, ["head 200"], /trailer/],
  ["a 101 that nobody asked for", "HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\n", [], /101/],
] as const) {
  test(`${what} is no valid answer, and closes the connection`, limit, async (t) => {
    const scene = await startScene(t);
    const answer = await scene.ask();
    scene.backend.send(bytes);
    await answer.over();
    assert.deepEqual(answer.told, [...told, "failed BACKEND_INVALID_ANSWER"]);
    assert.match(answer.message, /^the answer of http:\/\/backend:1 is not valid HTTP: /);
    assert.match(answer.message, why);
    await scene.assertGone();
  });
}

test("a head as large as the limit is read, one byte more is not, whole or unfinished", limit, async (t) => {
  const head = (length: number): string => {
    const start = `${OK}Content-Length: 0\r\nX: `;
    return `${start}${"x".repeat(length - start.length - 4)}\r\n\r\n`;
  };
  const { maxHeaderBytes } = LIMITS;
  const scene = await startScene(t);
  assert.equal(head(maxHeaderBytes).length, maxHeaderBytes);
  for (const parts of [[head(maxHeaderBytes)], [head(maxHeaderBytes).slice(0, -1), "\n"]]) {
    const answer = await scene.ask();
    await sendApart(scene, parts);
    assert.equal(await answer.over(), "end, open");
  }
  for (const bytes of [head(maxHeaderBytes + 1), `${OK}X: `.padEnd(maxHeaderBytes + 1, "x")]) {
    const over = await startScene(t);
    const answer = await over.ask();
    over.backend.send(bytes);
    assert.equal(await answer.over(), "failed BACKEND_INVALID_ANSWER");
    assert.match(answer.message, /larger than 512 bytes/);
    await over.assertGone();
  }
});

test("each head counts for itself: interim answers do not use up the limit", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask();
  const hints = `HTTP/1.1 103 x\r\nX: ${"x".repeat(400)}\r\n\r\n`;
  scene.backend.send(`${hints.repeat(5)}${OK}Content-Length: 0\r\nX: ${"x".repeat(400)}\r\n\r\n`);
  assert.equal(await answer.over(), "end, open");
  assert.equal(answer.told.length, 7);
});

test("as many fields as the limit are read, in head and trailers, one more is not", limit, async (t) => {
  const { maxHeaderCount } = LIMITS;
  const message = (fields: number, trailers: number): string =>
    `${OK}Transfer-Encoding: chunked\r\n${"A: 1\r\n".repeat(fields - 1)}\r\n0\r\n${"B: 1\r\n".repeat(trailers)}\r\n`;
  for (const [fields, trailers, outcome] of [
    [maxHeaderCount, maxHeaderCount, "end, open"],
    [maxHeaderCount + 1, 0, "failed BACKEND_INVALID_ANSWER"],
    [1, maxHeaderCount + 1, "failed BACKEND_INVALID_ANSWER"],
  ] as const) {
    const scene = await startScene(t);
    const answer = await scene.ask();
    scene.backend.send(message(fields, trailers));
    assert.equal(await answer.over(), outcome);
  }
});

test(
  "100 interim answers to one request are told, one more is a flood; the next request counts anew",
  limit,
  async (t) => {
    const interim = "HTTP/1.1 102 x\r\n\r\n".repeat(100);
    const scene = await startScene(t);
    for (let round = 0; round < 2; round++) {
      const answer = await scene.ask();
      scene.backend.send(`${interim}${OK}Content-Length: 0\r\n\r\n`);
      assert.equal(await answer.over(), "end, open");
      assert.equal(answer.told.length, 102);
    }
    const answer = await scene.ask();
    scene.backend.send(`${interim}HTTP/1.1 102 x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`);
    assert.equal(await answer.over(), "failed BACKEND_INVALID_ANSWER");
    assert.match(answer.message, /more than 100 interim answers/);
    assert.equal(answer.told.length, 101);
    await waitUntil("it is gone", () => scene.owner.gone === 1);
  },
);

// ── more than an answer ───────────────────────────────────────────────────────────────────────────

for (const [what, bytes, method] of [
  ["a length", `${OK}Content-Length: 2\r\n\r\nab`, "GET"],
  ["chunks", CHUNKED, "GET"],
  ["no body", "HTTP/1.1 204 x\r\n\r\n", "GET"],
  ["a body left out for HEAD", `${OK}Content-Length: 2\r\n\r\n`, "HEAD"],
] as const) {
  test(
    `bytes behind an answer with ${what} are nobody's: it is told whole, and the connection closed`,
    limit,
    async (t) => {
      for (const surplus of ["x", `${OK}Content-Length: 0\r\n\r\n`, "\r\n"]) {
        const scene = await startScene(t);
        const answer = await scene.ask(method);
        scene.backend.send(`${bytes}${surplus}`);
        await answer.over();
        assert.equal(answer.told.length, 2);
        await scene.assertGone();
      }
    },
  );
}

test("bytes on an idle connection close it: they must not answer the next request", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask();
  scene.backend.send(`${OK}Content-Length: 0\r\n\r\n`);
  await answer.over();
  assert.equal(scene.owner.released, 1);
  scene.backend.send(`${OK}Content-Length: 0\r\n\r\n`);
  await scene.backend.waitClosed();
  assert.equal(scene.owner.gone, 1);
  assert.deepEqual(answer.told, ["head 200", "end, open"]);
});

test("an idle connection that the backend ends or resets is gone", limit, async (t) => {
  for (const end of [(backend: RawClient) => backend.end(), (backend: RawClient) => backend.reset()]) {
    const scene = await startScene(t);
    const answer = await scene.ask();
    scene.backend.send(`${OK}Content-Length: 0\r\n\r\n`);
    await answer.over();
    end(scene.backend);
    await waitUntil("it is gone", () => scene.owner.gone === 1);
    assert.equal(scene.transport.isDestroyed, true);
    assert.equal(answer.told.length, 2);
  }
});

// ── uploads ───────────────────────────────────────────────────────────────────────────────────────

const POST = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const EMPTY_ANSWER = `${OK}Content-Length: 0\r\n\r\n`;

test("a body is sent as it is or in chunks, with its trailers, behind its head", limit, async (t) => {
  const scene = await startScene(t);
  const { connection, backend } = scene;
  const plain = new SeenAnswer();
  connection.start(plain, "POST", "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n", false);
  connection.sendPiece(Buffer.from("ab"), false);
  connection.sendPiece(Buffer.from("\0\xff", "latin1"), false);
  connection.endRequest(null);
  assert.equal(await backend.readUntil("\xff"), "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab\0\xff");
  backend.send(EMPTY_ANSWER);
  await plain.over();
  connection.start(new SeenAnswer(), "POST", POST, false);
  connection.sendPiece(Buffer.alloc(17, "x"), true);
  connection.flush();
  assert.equal(await backend.readUntil("x\r\n"), `${POST}11\r\n${"x".repeat(17)}\r\n`);
  connection.endRequest("T: 1\r\n");
  assert.equal(await backend.readUntil("\r\n\r\n"), "0\r\nT: 1\r\n\r\n");
});

test(
  "an early answer is told at once; the upload goes on, and its end frees the connection",
  limit,
  async (t) => {
    const { connection, backend, owner } = await startScene(t);
    const answer = new SeenAnswer();
    connection.start(answer, "POST", POST, false);
    connection.flush();
    backend.send(EMPTY_ANSWER);
    await answer.seen("end, open");
    assert.deepEqual([owner.released, owner.gone], [0, 0]);
    connection.sendPiece(Buffer.from("ab"), true);
    connection.endRequest("");
    assert.equal(await backend.readUntil("0\r\n\r\n"), `${POST}2\r\nab\r\n0\r\n\r\n`);
    assert.deepEqual([owner.released, owner.gone], [1, 0]);
  },
);

test(
  "an early answer that ends the connection says so, and the rest of the upload is not sent",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const answer = new SeenAnswer();
    scene.connection.start(answer, "POST", POST, false);
    scene.connection.flush();
    scene.backend.send("HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert.equal(await answer.over(), "end");
    await scene.assertGone();
    scene.connection.sendPiece(Buffer.from("ab"), true); // too late, and harmless
    scene.connection.endRequest("");
    assert.deepEqual([scene.owner.released, scene.owner.gone], [0, 1]);
    assert.deepEqual(answer.told, ["head 413", "end"]);
  },
);

test(
  "an early answer without a length ends with the connection, and so does the upload",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const answer = new SeenAnswer();
    scene.connection.start(answer, "POST", POST, false);
    scene.connection.flush();
    scene.backend.send("HTTP/1.1 200 OK\r\n\r\nab").end();
    assert.equal(await answer.over(), "end");
    assert.equal(answer.body, "ab");
    await scene.assertGone();
  },
);

for (const [what, doIt] of [
  ["more bytes", (backend: RawClient) => void backend.send("x")],
  ["a FIN", (backend: RawClient) => backend.end()],
] as const) {
  test(`${what} behind an early answer, while the upload runs, end the upload`, limit, async (t) => {
    const scene = await startScene(t);
    const answer = new SeenAnswer();
    scene.connection.start(answer, "POST", POST, false);
    scene.connection.flush();
    scene.backend.send(EMPTY_ANSWER);
    await answer.seen("end, open");
    doIt(scene.backend);
    await waitUntil("it is told", () => answer.told.length === 3);
    assert.match(answer.told[2] ?? "", /^failed BACKEND_(CLOSED|INVALID_ANSWER)$/);
    await scene.assertGone();
  });
}

test(
  "an answer that came before a write failed is told, but the connection takes no other request",
  limit,
  async (t) => {
    const { connection, backend, owner, transport } = await startScene(t);
    const answer = new SeenAnswer();
    connection.start(answer, "POST", POST, false);
    connection.flush();
    await backend.readUntil("\r\n\r\n");
    // All in one turn of the event loop, so that the end of the upload meets the reset before the answer is read.
    backend.socket.write(EMPTY_ANSWER);
    backend.socket.resetAndDestroy();
    connection.sendPiece(Buffer.from("ab"), true);
    connection.endRequest("");
    assert.equal(await answer.over(), "end, open");
    assert.deepEqual([owner.released, owner.gone, transport.isDestroyed], [0, 1, true]);
  },
);

test("a backend that reads no more holds the upload; its drain is told", limit, async (t) => {
  const { connection, backend } = await startScene(t);
  const answer = new SeenAnswer();
  backend.pause();
  connection.start(answer, "POST", POST, false);
  const piece = Buffer.alloc(64 * 1_024);
  let sent = 0;
  do {
    connection.sendPiece(piece, true);
    assert.ok(++sent < 1_000, "64 MiB were taken");
  } while (connection.flush());
  assert.equal(answer.told.length, 0);
  connection.flush();
  backend.resume();
  await answer.seen("drained");
});

test("a paused connection reads nothing, and goes on where it stopped", limit, async (t) => {
  const scene = await startScene(t);
  const { connection, backend } = scene;
  const answer = await scene.ask();
  await sendApart(scene, [`${OK}Content-Length: ${16 * MIB}\r\n\r\n`]);
  connection.pause();
  connection.pause(); // twice is harmless
  backend.send(Buffer.alloc(16 * MIB, "x"));
  let before = -1;
  await waitUntil("the kernel takes no more", () => {
    const isStill = backend.socket.writableLength === before;
    before = backend.socket.writableLength;
    return isStill;
  });
  assert.ok(before > 0, "all of it was taken");
  assert.equal(answer.body.length, 0);
  connection.resume();
  await answer.over();
  assert.equal(answer.body.length, 16 * MIB);
});

test("a pause ends with its request: the next one is read", limit, async (t) => {
  const scene = await startScene(t);
  const first = await scene.ask();
  first.onHead = () => scene.connection.pause();
  scene.backend.send(EMPTY_ANSWER);
  await first.seen("end, open");
  const second = await scene.ask();
  scene.backend.send(EMPTY_ANSWER);
  assert.equal(await second.over(), "end, open");
});

// ── upgrades ──────────────────────────────────────────────────────────────────────────────────────

const SWITCHING = "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: a\r\nX: 1\r\n\r\n";

test("a 101 hands the connection over, with the bytes behind it", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask("GET", true);
  scene.backend.send(`HTTP/1.1 103 x\r\n\r\n${SWITCHING}rest\r\n\r\n`);
  assert.equal(await answer.over(), "upgraded");
  assert.deepEqual(answer.told, ["interim 103", "upgraded"]);
  assert.deepEqual(answer.fields, ["Connection", "Upgrade", "Upgrade", "a", "X", "1"]);
  assert.equal(answer.upgraded?.transport, scene.transport);
  assert.equal(answer.upgraded.rest.toString(), "rest\r\n\r\n");
  assert.deepEqual([scene.owner.gone, scene.owner.released], [1, 0]);
});

test(
  "after a 101 the connection is the caller's alone: neither bytes nor ends are taken from it",
  limit,
  async (t) => {
    const scene = await startScene(t);
    const answer = await scene.ask("GET", true);
    scene.backend.send(SWITCHING);
    await answer.over();
    const tunnel = new ToldByTransport(scene.transport);
    scene.backend.send(`${OK}\r\n`).end();
    await tunnel.seen("fin");
    assert.equal(tunnel.text, `${OK}\r\n`);
    assert.equal(scene.transport.isDestroyed, false);
    scene.connection.abort();
    assert.deepEqual([answer.told.length, scene.owner.gone], [1, 1]);
  },
);

test("a 101 that does not say to what is no valid answer", limit, async (t) => {
  const scene = await startScene(t);
  const answer = await scene.ask("GET", true);
  scene.backend.send("HTTP/1.1 101 x\r\nConnection: Upgrade\r\n\r\n");
  assert.equal(await answer.over(), "failed BACKEND_INVALID_ANSWER");
  await scene.assertGone();
});

test("any other answer to an upgrade is an answer, and the connection goes on", limit, async (t) => {
  const scene = await startScene(t);
  const refused = await scene.ask("GET", true);
  scene.backend.send("HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno");
  assert.equal(await refused.over(), "end, open");
  assert.equal(refused.body, "no");
  const plain = await scene.ask();
  scene.backend.send(SWITCHING);
  assert.equal(await plain.over(), "failed BACKEND_INVALID_ANSWER");
});

// ── aborting ──────────────────────────────────────────────────────────────────────────────────────

for (const [what, bytes] of [
  ["before the answer", ""],
  ["within the head", "HTTP/1.1 200 OK\r\n"],
  ["within the body", `${OK}Content-Length: 9\r\n\r\nab`],
  ["within a chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nab`],
] as const) {
  test(`an abort ${what} closes the connection at once, and nothing more is told`, limit, async (t) => {
    const scene = await startScene(t);
    const answer = await scene.ask();
    if (bytes !== "") await sendApart(scene, [bytes]);
    const before = [...answer.told];
    scene.connection.abort();
    scene.connection.abort(); // twice is harmless
    await scene.assertGone();
    assert.deepEqual(answer.told, before);
  });
}

/** Aborts from within one of its calls. */
class AbortingAnswer extends SeenAnswer {
  constructor(
    connection: BackendConnection,
    from: "onInterim" | "onHead" | "onPiece" | "onAnswerEnd" | "onReadDone",
  ) {
    super();
    this[from] = () => {
      this.tell("aborted");
      connection.abort();
    };
  }
}

for (const from of ["onInterim", "onHead", "onPiece", "onAnswerEnd", "onReadDone"] as const) {
  for (const [what, bytes] of [
    ["a length", `${OK}Content-Length: 5\r\n\r\nhello`],
    ["no body", `${OK}Content-Length: 0\r\n\r\n`],
    ["chunks", CHUNKED],
    ["no length", `${OK}\r\nab`],
  ] as const) {
    test(
      `an abort from within ${from} of an answer with ${what} is the last that is told`,
      limit,
      async (t) => {
        const scene = await startScene(t);
        const answer = await scene.ask("GET", false, new AbortingAnswer(scene.connection, from));
        scene.backend.send(`HTTP/1.1 103 x\r\n\r\n${bytes}`).end();
        await scene.backend.waitClosed();
        await waitUntil("it is closed", () => scene.transport.isClosed);
        const aborts = answer.told.filter((one) => one === "aborted").length;
        assert.equal(aborts, from === "onPiece" && what === "no body" ? 0 : 1);
        if (aborts === 1) assert.equal(answer.told.at(-1), "aborted");
        assert.equal(scene.owner.gone, 1);
      },
    );
  }
}

// ── how long it may be kept ───────────────────────────────────────────────────────────────────────

for (const [value, idleLimitMs] of [
  [null, Number.POSITIVE_INFINITY],
  ["timeout=5", 4_000],
  ["timeout=5, max=100", 4_000],
  ["max=100,\tTimeout=60", 59_000],
  ["timeout=1", 0],
  ["timeout=0", 0],
  ["max=100", Number.POSITIVE_INFINITY],
  ["xtimeout=5", Number.POSITIVE_INFINITY],
  ["timeout=x", Number.POSITIVE_INFINITY],
  ["", Number.POSITIVE_INFINITY],
] as const) {
  test(
    `Keep-Alive ${JSON.stringify(value)}: kept for ${idleLimitMs} ms, a second less than the backend does`,
    limit,
    async (t) => {
      const scene = await startScene(t);
      const answer = await scene.ask();
      scene.backend.send(`${OK}Content-Length: 0\r\n${value === null ? "" : `Keep-Alive: ${value}\r\n`}\r\n`);
      await answer.over();
      assert.equal(scene.connection.idleLimitMs, idleLimitMs);
    },
  );
}
