import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { onTestEnd, type TestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { parseJsonObject } from "../../support/http-client.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const file: TestEnd = { after };
const limit = { timeout: 30_000 };

const backend = await startBackend(file);
const sockets = new WebSocketServer({
  server: backend.server,
  handleProtocols: (offered) => (offered.has("chat.v2") ? "chat.v2" : false),
});
onTestEnd(file, () => {
  for (const socket of sockets.clients) socket.terminate();
});
sockets.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("error", () => {});
});

/** What a backend over a bare socket does with a handshake; each test sets its own. */
let onHandshake: (socket: Socket, head: string) => void = () => {};
const rawBackend = await startRawBackend(file, (socket) => {
  let head = "";
  const read = (bytes: Buffer): void => {
    head += bytes.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    socket.off("data", read);
    onHandshake(socket, head);
  };
  socket.on("data", read);
});
const [proxy, proxyToRaw, proxyToNobody] = await Promise.all([
  startProxy(file, { v1: backend.url, v2: rawBackend.url }),
  startProxy(file, {
    v1: backend.url,
    v2: rawBackend.url,
    active: "v2",
    config: { upstream: { connect_timeout: "200ms", response_timeout: "300ms" } },
  }),
  startProxy(file, { v1: `http://127.0.0.1:${await freePort()}`, v2: backend.url }),
]);

const HANDSHAKE =
  "Host: h:1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
  "sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SWITCHING =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Own: 1\r\n\r\n";

async function upgraded(of: TestProxy, version: string): Promise<number> {
  const { body } = await of.admin("GET", "/metrics");
  return Number(new RegExp(`upgraded_connections\\{version="${version}"\\} (\\d+)`).exec(body)?.[1]);
}

test("messages go both ways, of all sizes, and the tunnel is counted until it has ended", limit, async () => {
  const client = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat?x=1`, ["chat.v1", "chat.v2"]);
  await once(client, "open");
  assert.equal(client.protocol, "chat.v2");
  assert.equal(await upgraded(proxy, "v1"), 1);
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 5_000_000]) {
    const sent = Buffer.alloc(size, size % 251);
    client.send(sent);
    const [received] = (await once(client, "message")) as [Buffer];
    assert.ok(sent.equals(received), `${size} bytes`);
  }
  client.close(4321, "bye");
  const [code, reason] = (await once(client, "close")) as [number, Buffer];
  assert.deepEqual([code, reason.toString()], [4321, "bye"]);
  await waitUntil("no tunnel is counted", async () => (await upgraded(proxy, "v1")) === 0);
  const { body } = await proxy.admin("GET", "/metrics");
  assert.match(body, /http_requests_total\{version="v1",method="GET",code="101"\} 1\n/);
});

test("the backend sees the handshake as the client sent it, and X-Forwarded-*", limit, async (t) => {
  let seen = "";
  onHandshake = (socket, head) => {
    seen = head;
    socket.write(SWITCHING);
  };
  const client = await openRaw(proxyToRaw.port, { t });
  const target = "/a//b/../%2F?x=%20;y";
  client.send(
    `GET ${target} HTTP/1.1\r\n${HANDSHAKE}X-DUP: 1\r\nX-dup: 2\r\nProxy-Authorization: s\r\nTE: trailers\r\n\r\n`,
  );
  const answer = await client.readResponse();
  assert.deepEqual(
    [answer.status, answer.header("x-own"), answer.header("upgrade")],
    [101, "1", "websocket"],
  );
  const [line, ...fields] = seen.trimEnd().split("\r\n");
  assert.equal(line, `GET ${target} HTTP/1.1`);
  assert.deepEqual(
    fields
      .map((field) => field.toLowerCase().replace(/;by=_traffic-switching-[0-9a-f]{8}$/, ";by=ours"))
      .sort(),
    [
      "connection: upgrade",
      'forwarded: for=127.0.0.1;host="h:1";proto=http;by=ours',
      "host: h:1",
      "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
      "sec-websocket-version: 13",
      "upgrade: websocket",
      "x-dup: 1",
      "x-dup: 2",
      "x-forwarded-for: 127.0.0.1",
      "x-forwarded-host: h:1",
      "x-forwarded-proto: http",
      "x-real-ip: 127.0.0.1",
    ],
  );
  assert.ok(fields.includes("sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ=="), "names keep their case");
});

test("bytes that come together with the handshake, from either side, are not lost", limit, async (t) => {
  onHandshake = (socket, head) => {
    let received = head.slice(head.indexOf("\r\n\r\n") + 4);
    const look = (): void => {
      if (received === "early from client, and later") socket.write(" seen");
    };
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      look();
    });
    socket.write(`${SWITCHING}early from backend`);
    look();
  };
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\nearly from client`);
  assert.equal((await client.readResponse()).status, 101);
  await client.readUntil("early from backend");
  client.send(", and later");
  await client.readUntil(" seen");
});

test("the 101 keeps the backend's header names and repeated fields", limit, async (t) => {
  onHandshake = (socket) =>
    void socket.write(SWITCHING.replace("X-Own: 1", "X-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2"));
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await client.readUntil("\r\nX-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n");
});

for (const ends of ["client", "backend"] as const) {
  test(
    `a tunnel whose ${ends} has said goodbye ends, though the other side keeps its half open`,
    limit,
    async (t) => {
      const opened = Promise.withResolvers<Socket>();
      onHandshake = (socket) => {
        socket.allowHalfOpen = true;
        socket.write(SWITCHING);
        opened.resolve(socket);
      };
      const client = await openRaw(proxyToRaw.port, { t });
      client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
      await client.readUntil("X-Own: 1");
      const toBackend = await withLimit(opened.promise, 5_000, "the tunnel");
      if (ends === "client") client.end();
      else toBackend.end();
      const isGone = async (): Promise<boolean> => (await upgraded(proxyToRaw, "v2")) === 0;
      await waitUntil("the tunnel is gone", isGone, { limitMs: 15_000 });
    },
  );
}

for (const [framing, answer] of [
  [
    "length",
    "HTTP/1.1 403 Go away\r\nContent-Length: 6\r\nX-Why: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nreason",
  ],
  [
    "chunked",
    "HTTP/1.1 403 Go away\r\nTransfer-Encoding: chunked\r\nX-Why: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n3\r\nrea\r\n3\r\nson\r\n0\r\n\r\n",
  ],
] as const) {
  test(
    `a backend's refusal (${framing}) is passed on with its body, and the connection goes on`,
    limit,
    async (t) => {
      onHandshake = (socket) => {
        socket.write(answer);
        const last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        socket.once("data", () => socket.end(last));
      };
      const client = await openRaw(proxyToRaw.port, { t });
      const refused = await client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`).readResponse();
      assert.deepEqual(
        [refused.status, refused.reason, refused.text, refused.header("x-why")],
        [403, "Go away", "reason", "1"],
      );
      assert.deepEqual(refused.headerAll("set-cookie"), ["a=1", "b=2"]);
      assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).text, "ok");
      assert.equal(await upgraded(proxyToRaw, "v2"), 0);
    },
  );
}

test("a refusal that breaks off in the middle looks broken", limit, async (t) => {
  onHandshake = (socket) => {
    socket.write("HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nhalf");
    client.readUntil("half").then(
      () => socket.resetAndDestroy(),
      () => {},
    );
  };
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await client.waitClosed();
});

test(
  "a backend that is down, closes, talks nonsense or is silent gets a problem answer",
  limit,
  async (t) => {
    const cases = [
      { of: proxyToNobody, act: () => {}, status: 502, code: "BACKEND_CONNECT_FAILED" },
      { of: proxyToRaw, act: (socket: Socket) => void socket.end(), status: 502, code: "BACKEND_CLOSED" },
      {
        of: proxyToRaw,
        act: (socket: Socket) => void socket.resetAndDestroy(),
        status: 502,
        code: "BACKEND_CLOSED",
      },
      {
        of: proxyToRaw,
        act: (socket: Socket) => void socket.write("SSH-2.0\r\n\r\n"),
        status: 502,
        code: "BACKEND_INVALID_ANSWER",
      },
      { of: proxyToRaw, act: () => {}, status: 504, code: "BACKEND_RESPONSE_TIMEOUT" },
    ];
    for (const { of, act, status, code } of cases) {
      onHandshake = act;
      const client = await openRaw(of.port, { t });
      const answer = await client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`).readResponse();
      assert.equal(answer.status, status, code);
      assert.equal(answer.header("content-type"), "application/problem+json");
      assert.equal(parseJsonObject(answer.text).code, code);
    }
  },
);

test("a malformed handshake is refused like any other request", limit, async (t) => {
  const cases = [
    ["GET / HTTP/1.1\r\nHost: a\r\n", 400],
    ["GET http://u@h/ HTTP/1.1\r\n", 400],
    [`GET /${"x".repeat(9_000)} HTTP/1.1\r\n`, 414],
  ] as const;
  for (const [start, status] of cases) {
    const client = await openRaw(proxyToRaw.port, { t });
    assert.equal((await client.send(`${start}${HANDSHAKE}\r\n`).readResponse()).status, status);
    await client.waitClosed();
  }
});

test("a client that leaves during the handshake ends the backend's side", limit, async (t) => {
  let closed = (): void => {};
  const cut = new Promise<void>((resolve) => {
    closed = resolve;
  });
  onHandshake = (socket) => {
    socket.resume();
    socket.once("close", closed);
    client.reset();
  };
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await withLimit(cut, 1_500, "the backend's connection to close");
});

for (const [who, how] of [
  ["client", "end"],
  ["client", "reset"],
  ["backend", "end"],
  ["backend", "reset"],
] as const) {
  test(
    `a tunnel whose ${who} ends with a ${how === "end" ? "FIN" : "RST"} ends on the other side too, after the last bytes`,
    limit,
    async (t) => {
      const joined = new Promise<Socket>((resolve) => {
        onHandshake = (socket) => {
          socket.write(SWITCHING);
          resolve(socket);
        };
      });
      const client = await openRaw(proxyToRaw.port, { t });
      client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
      assert.equal((await client.readResponse()).status, 101);
      const socket = await joined;
      let received = "";
      socket.on("data", (bytes) => {
        received += bytes.toString("latin1");
      });
      const closed = once(socket, "close");
      assert.equal(await upgraded(proxyToRaw, "v2"), 1);
      if (who === "client") {
        client.send("last words");
        if (how === "reset") await waitUntil("they arrive", () => received === "last words");
        client[how]();
      } else {
        socket.write("last words");
        if (how === "end") socket.end();
        else await client.readUntil("last words").then(() => socket.resetAndDestroy());
        if (how === "end") {
          await client.readUntil("last words");
          await client.waitClosed();
          client.end(); // its own goodbye
        }
      }
      await withLimit(closed, 1_500, "the backend's side to close");
      await client.waitClosed();
      if (who === "client") assert.equal(received, "last words");
      await waitUntil("no tunnel is counted", async () => (await upgraded(proxyToRaw, "v2")) === 0);
    },
  );
}

test("a tunnel outlives every time limit of requests and of handshakes", limit, async (t) => {
  const joined = new Promise<Socket>((resolve) => {
    onHandshake = (socket) => {
      socket.write(SWITCHING);
      resolve(socket);
    };
  });
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await client.readResponse();
  const socket = await joined;
  await new Promise((resolve) => setTimeout(resolve, 1_200)); // response_timeout and connect_timeout are 500 ms here
  socket.write("still here");
  await client.readUntil("still here");
});

test("back-pressure holds in a tunnel: a client that does not read stops the backend", limit, async (t) => {
  const joined = new Promise<Socket>((resolve) => {
    onHandshake = (socket) => {
      socket.write(SWITCHING);
      resolve(socket);
    };
  });
  const client = await openRaw(proxyToRaw.port, { t });
  client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await client.readResponse();
  client.pause();
  const socket = await joined;
  const piece = Buffer.alloc(1024 * 1024);
  let written = 0;
  const more = (): void => {
    while (written < 200 && !socket.destroyed && socket.write(piece)) written++;
    if (written < 200) socket.once("drain", more);
    written++;
  };
  more();
  let last = -1;
  await waitUntil(
    "the backend is stopped",
    () => {
      const isStill = written === last;
      last = written;
      return isStill;
    },
    { intervalMs: 500 },
  );
  assert.ok(written < 60, `${written} MiB were taken`);
});

test(
  "WebSockets end at SIGTERM with 1012 within websocket_window, and the exit code is 0",
  limit,
  async (t) => {
    const own = await startProxy(t, {
      v1: backend.url,
      v2: backend.url,
      config: { switch: { drain: { websocket_window: "200ms" } } },
    });
    const clients = Array.from({ length: 4 }, () => new WebSocket(`ws://127.0.0.1:${own.port}/`));
    await Promise.all(clients.map((client) => once(client, "open")));
    const closed = Promise.all(clients.map((client) => once(client, "close")));
    assert.deepEqual(await own.stop("SIGTERM", 3_000), { code: 0, signal: null });
    assert.deepEqual(
      (await closed).map(([code]) => code),
      [1012, 1012, 1012, 1012],
    );
  },
);

test(
  "a WebSocket handshake on an admin path is answered as that path, not as an upgrade",
  limit,
  async (t) => {
    const client = await openRaw(proxyToRaw.port, { t });
    onHandshake = () => assert.fail("the backend must not see it");
    const answer = await client
      .send(
        `GET /status HTTP/1.1\r\n${HANDSHAKE.replace("Host: h:1", `Host: 127.0.0.1:${proxyToRaw.port}`)}\r\n`,
      )
      .readResponse();
    assert.equal(answer.status, 200);
    assert.equal(parseJsonObject(answer.text).current_version, "v2");
  },
);

test("a POST that asks for a WebSocket is a plain request with a body", limit, async (t) => {
  let seen: IncomingMessage["headers"] | undefined;
  const plain = await startBackend(t, (req, res) => {
    seen = req.headers;
    req.pipe(res);
  });
  const own = await startProxy(t, { v1: plain.url, v2: backend.url });
  const client = await openRaw(own.port, { t });
  client.send(`POST / HTTP/1.1\r\n${HANDSHAKE}Content-Length: 5\r\n\r\nhello`);
  assert.equal((await client.readResponse()).text, "hello");
  assert.equal(seen?.upgrade, undefined);
});
