import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { RecordingBackend } from "../../conformance/backend.ts";
import { type Case, get, OK } from "../../conformance/case.ts";
import { inOrder } from "../../conformance/cases.ts";
import { runCase } from "../../conformance/run-case.ts";

type Tamper = (bytes: Buffer) => Buffer;

/** A "proxy" that copies bytes both ways, a connection for a connection, and tampers with what the client sends. */
async function startPipe(t: TestContext, backend: RecordingBackend, tamper: Tamper): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const inner = connect(backend.port, "127.0.0.1");
    for (const [from, to] of [
      [client, inner],
      [inner, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("data", (bytes: Buffer) => to.write(from === client ? tamper(bytes) : bytes));
      from.on("end", () => to.end());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Runs a case through a pipe that changes nothing but what `tamper` changes in the case's own bytes. */
async function run(t: TestContext, body: Case["run"], tamper: Tamper = (bytes) => bytes): Promise<void> {
  const backend = new RecordingBackend();
  await backend.listen();
  t.after(() => backend.close());
  const spareFences: Tamper = (bytes) => (bytes.includes("/fence-") ? bytes : tamper(bytes));
  const port = await startPipe(t, backend, spareFences);
  const one: Case = { promise: "bytes", says: "a case", source: "none", limitMs: 1_000, run: body };
  await runCase(one, { host: "127.0.0.1", port }, backend);
}

const append =
  (extra: string): Tamper =>
  (bytes) =>
    Buffer.concat([bytes, Buffer.from(extra)]);

test("a case whose proxy forwards one request as one passes", async (t) => {
  await run(t, async ({ exchange }) => {
    const { seen, answer } = await exchange(get("/a"));
    assert.deepEqual([seen.target, answer.text], ["/a", "ok"]);
  });
});

test("a case fails when the backend saw a request that it did not ask for", async (t) => {
  const smuggle = append("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  const running = run(t, async ({ exchange }) => void (await exchange(get("/a"))), smuggle);
  await assert.rejects(running, /a request that the case did not expect.*\/smuggled/s);
});

test("a case fails when the backend saw bytes behind a request that are none", async (t) => {
  const running = run(t, async ({ exchange }) => void (await exchange(get("/a"))), append("0\r\n"));
  await assert.rejects(running, /no well-formed request.*no request, but bytes/s);
});

test("a case fails with what the backend objected to, not only with the wait that followed", async (t) => {
  const post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
  const running = run(
    t,
    async ({ open, backend }) => {
      const client = await open();
      client.send(post);
      await (await backend.request()).body();
    },
    append("zz\r\n\r\n"),
  );
  await assert.rejects(running, /not a chunk size: \\?"zz/);
});

test("a refusal is none when the backend has seen the request", async (t) => {
  const running = run(t, async ({ refused, backend }) => {
    backend.respond(() => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    backend
      .until("a request came", () => backend.requestsSeen > 0)
      .then(
        () => backend.connections[0]?.end(),
        () => undefined,
      );
    await refused(get("/a"));
  });
  await assert.rejects(running, /the backend saw a request/);
});

test("a case ends at its limit, and says for what it waited", async (t) => {
  await assert.rejects(
    run(t, async ({ backend }) => void (await backend.request())),
    /waited 600 ms for a request at the backend/,
  );
  await assert.rejects(
    run(t, () => new Promise(() => undefined)),
    /waited 1000 ms for the case to end/,
  );
});

test("the body of a request that breaks off is an error at once", async (t) => {
  await run(t, async ({ open, backend }) => {
    const client = await open();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    const seen = await backend.request();
    assert.equal((await seen.readBody(3)).toString(), "hel");
    client.end();
    await assert.rejects(seen.body(), /ended \(end\) before the whole body: 5 bytes/);
    seen.connection.destroy();
  });
});

test("an accepted upgrade is a tunnel, with what came behind the request at its start", async (t) => {
  await run(t, async ({ open, backend }) => {
    const client = await open();
    client.send(`${get("/ws", "Connection: Upgrade", "Upgrade: echo")}early`);
    const seen = await backend.request();
    const tunnel = seen.accept(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello",
    );
    assert.equal((await client.readHead()).status, 101);
    assert.equal((await client.readBytes(5)).toString(), "hello");
    client.send(" late");
    assert.equal((await tunnel.readBytes(10)).toString(), "early late");
    tunnel.end();
    await client.waitClosed();
  });
});

test("a backend that listens no more refuses, and listens again for the next case", async (t) => {
  const backend = new RecordingBackend();
  await backend.listen();
  t.after(() => backend.close());
  await backend.stopListening();
  const refused = connect(backend.port, "127.0.0.1");
  await assert.rejects(once(refused, "connect"), { code: "ECONNREFUSED" });
  await backend.reset();
  const accepted = connect(backend.port, "127.0.0.1");
  await once(accepted, "connect");
  accepted.destroy();
});

test("responses go to the requests of a connection in their order", async (t) => {
  await run(t, async ({ open, backend }) => {
    backend.respond(({ target }) => OK.replace("ok", target));
    const client = await open();
    client.send(get("/1") + get("/2"));
    assert.equal((await client.readResponse()).text, "/1");
    assert.equal((await client.readResponse()).text, "/2");
    assert.equal(backend.connectionsSeen, 1);
  });
});

test("no two cases may say the same", () => {
  const one: Case = { promise: "framing", says: "a", source: "b", run: async () => undefined };
  const other: Case = { ...one, promise: "bytes", says: "b" };
  assert.deepEqual(
    inOrder([one, other]).map(({ says }) => says),
    ["b", "a"],
  );
  assert.throws(() => inOrder([one, one]), /two cases say: a/);
});
