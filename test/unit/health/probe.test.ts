import assert from "node:assert/strict";
import type { RequestListener, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import type { ProbeConfig } from "../../../src/config/probe-config.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { ask } from "../../../src/data-plane/forward/ask.ts";
import { ConnectionPool } from "../../../src/data-plane/forward/connection-pool.ts";
import { type Ask, type ProbeReport, probe } from "../../../src/health/probe.ts";
import { startBackend, startRawBackend } from "../../support/backend.ts";
import { backendOf } from "../../support/backend-of.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 20_000 };
const CONFIG: ProbeConfig = {
  host: null,
  headers: [],
  expectHeaders: [],
  expectBody: null,
  maxLatencyMs: null,
  method: "GET",
  path: "/health?x=1",
  expect: [{ from: 200, to: 399 }],
  timeoutMs: 300,
  successes: 1,
  intervalMs: 10,
};

/** The way of a worker: through the pool that carries the traffic. */
function startWay(t: TestContext, origin: string, maxConnections = 2): { way: Ask; pool: ConnectionPool } {
  const backend = backendOf("v1", origin, 0);
  const pool = new ConnectionPool(new URL(origin), {
    maxConnections,
    maxIdleConnections: 2,
    maxQueue: 2,
    connectTimeoutMs: 1_000,
    tlsHandshakeTimeoutMs: 1_000,
    keepAliveTimeoutMs: 60_000,
    maxHeaderBytes: 16_384,
    maxHeaderCount: 100,
    engine: "auto",
  });
  onTestEnd(t, () => pool.destroy());
  return { way: (request, handler) => ask(pool, backend, request, handler), pool };
}

async function probeOf(
  t: TestContext,
  origin: string,
  changes: Partial<ProbeConfig> = {},
  signal = new AbortController().signal,
): Promise<ProbeReport> {
  return await probe(startWay(t, origin).way, { ...CONFIG, ...changes }, systemClock, signal);
}

async function probeOfListener(
  t: TestContext,
  listener: RequestListener,
  changes: Partial<ProbeConfig> = {},
) {
  return await probeOf(t, (await startBackend(t, listener)).url, changes);
}

test("an expected status with its whole body is good; the path is asked as configured", limit, async (t) => {
  const backend = await startBackend(t, (_req, res) => void res.end("healthy"));
  const report = await probeOf(t, backend.url);
  assert.deepEqual([report.ok, report.saw, report.status], [true, "200", 200]);
  assert.ok(report.durationMs > 0 && report.durationMs < 300);
  const [seen] = backend.requests;
  assert.deepEqual(
    [seen?.method, seen?.url, seen?.headers["user-agent"]],
    ["GET", "/health?x=1", "traffic-switching-probe"],
  );
});

test("HEAD works as the probe's method", limit, async (t) => {
  const report = await probeOfListener(
    t,
    (_req, res) => void res.writeHead(200, { "Content-Length": 99 }).end(),
    { method: "HEAD" },
  );
  assert.equal(report.ok, true);
});

test("a status out of every range is bad, on the bounds it is good", limit, async (t) => {
  const backend = await startBackend(t, (_req, res) => void res.writeHead(status).end());
  let status = 0;
  const expect = [
    { from: 200, to: 204 },
    { from: 302, to: 302 },
  ];
  for (const [given, ok] of [
    [200, true],
    [204, true],
    [205, false],
    [301, false],
    [302, true],
    [503, false],
  ] as const) {
    status = given;
    const report = await probeOf(t, backend.url, { expect });
    assert.deepEqual([report.ok, report.status], [ok, given]);
    if (!ok) assert.equal(report.saw, `${given}, expected 200-204,302`);
  }
});

test("no head in time is bad, and the probe's request ends", limit, async (t) => {
  let closed = false;
  const report = await probeOfListener(
    t,
    (_req, res) => {
      res.once("close", () => {
        closed = true;
      });
    },
    { timeoutMs: 100 },
  );
  assert.deepEqual([report.ok, report.status, report.saw], [false, null, "no answer within 100 ms"]);
  assert.ok(report.durationMs >= 95);
  await waitUntil("the request has ended", () => closed);
});

test("a good status whose body does not end in time is bad", limit, async (t) => {
  const report = await probeOfListener(t, (_req, res) => void res.write("begun"), { timeoutMs: 100 });
  assert.deepEqual([report.ok, report.status], [false, 200]);
  assert.match(report.saw, /body did not end within 100 ms/);
});

test("a body that drips past the time limit is bad", limit, async (t) => {
  const report = await probeOfListener(
    t,
    (_req, res) => {
      const drip = setInterval(() => res.write("x"), 20);
      res.once("close", () => clearInterval(drip));
    },
    { timeoutMs: 150 },
  );
  assert.equal(report.ok, false);
});

test("an interim answer does not count as the answer", limit, async (t) => {
  const report = await probeOfListener(t, (_req, res) => {
    res.writeProcessing();
    res.writeHead(503).end();
  });
  assert.deepEqual([report.ok, report.status], [false, 503]);
});

test("a body that breaks off is bad", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
  });
  const report = await probeOf(t, backend.url);
  assert.deepEqual([report.ok, report.status], [false, 200]);
  assert.match(report.saw, /^200, then /);
});

test("a body of more than 1 MiB is no health page", limit, async (t) => {
  const report = await probeOfListener(t, (_req, res) => void res.end(Buffer.alloc(1024 * 1024 + 1)), {
    timeoutMs: 5_000,
  });
  assert.equal(report.ok, false);
  assert.match(report.saw, /more than 1048576 bytes/);
  const whole = await probeOfListener(t, (_req, res) => void res.end(Buffer.alloc(1024 * 1024)), {
    timeoutMs: 5_000,
  });
  assert.equal(whole.ok, true);
});

test(
  "a backend that resets, talks nonsense or is not there is bad, and the report says why",
  limit,
  async (t) => {
    const resetting = await startRawBackend(
      t,
      (socket) => void socket.once("data", () => socket.resetAndDestroy()),
    );
    assert.equal((await probeOf(t, resetting.url)).ok, false);
    const babbling = await startRawBackend(
      t,
      (socket) => void socket.once("data", () => socket.write("SSH-2.0\r\n\r\n")),
    );
    assert.match((await probeOf(t, babbling.url)).saw, /HTTP/);
    const port = await freePort();
    const report = await probeOf(t, `http://127.0.0.1:${port}`);
    assert.deepEqual(
      [report.ok, report.status, report.saw],
      [false, null, `cannot connect to http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`],
    );
  },
);

test(
  "a probe that is given up is bad at once, before it began as well as in the middle",
  limit,
  async (t) => {
    const backend = await startBackend(t, () => {});
    assert.equal((await probeOf(t, backend.url, {}, AbortSignal.abort())).ok, false);
    assert.equal(backend.requests.length, 0);
    const stopper = new AbortController();
    const report = probeOf(t, backend.url, { timeoutMs: 10_000 }, stopper.signal);
    await backend.requestsSeen(1);
    stopper.abort();
    const { ok, isCutShort } = await report;
    assert.deepEqual([ok, isCutShort], [false, true]);
    await waitUntil("its request has ended", () => backend.connections === 0);
  },
);

test("a probe that waits for a connection and is given up leaves the queue", limit, async (t) => {
  const held: ServerResponse[] = [];
  const backend = await startBackend(t, (_req, res) => void held.push(res));
  const { way, pool } = startWay(t, backend.url, 1);
  const signal = new AbortController().signal;
  const first = probe(way, { ...CONFIG, timeoutMs: 5_000 }, systemClock, signal);
  await backend.requestsSeen(1);
  const second = await probe(way, { ...CONFIG, timeoutMs: 50 }, systemClock, signal);
  assert.equal(second.saw, "no answer within 50 ms");
  assert.equal(pool.load.queued, 0);
  held[0]?.end();
  assert.equal((await first).ok, true);
});

test("good probes leave their connection warm for the next", limit, async (t) => {
  const backend = await startBackend(t);
  const { way } = startWay(t, backend.url);
  for (let i = 0; i < 3; i++) {
    const report = await probe(way, CONFIG, systemClock, new AbortController().signal);
    assert.equal(report.ok, true);
  }
  assert.equal(backend.connectionsTotal, 1);
});

test(
  "a probe names the backend as Host, and says what some methods must: that it has no body",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    for (const method of ["GET", "HEAD", "OPTIONS", "POST", "PUT"]) {
      assert.equal((await probeOf(t, backend.url, { method })).ok, true);
    }
    for (const { method, headers } of backend.requests) {
      assert.equal(headers.host, new URL(backend.url).host);
      assert.equal(headers["content-length"], /^P/.test(method) ? "0" : undefined, method);
    }
  },
);

for (const [what, framing] of [
  ["a length", { "Content-Length": 2 * 1024 * 1024 }],
  ["chunks", {}],
] as const) {
  test(`an endless page with ${what} is given up, and the pool's count stays right`, limit, async (t) => {
    const page = Buffer.alloc(1024 * 1024 + 1);
    const backend = await startBackend(t, (_req, res) => {
      res.writeHead(200, framing);
      // Whole at once, so that the end may come in the read that is too much.
      res.end("Content-Length" in framing ? Buffer.concat([page, page.subarray(2)]) : page);
    });
    const { way, pool } = startWay(t, backend.url);
    for (let i = 0; i < 3; i++) {
      const report = await probe(
        way,
        { ...CONFIG, timeoutMs: 5_000 },
        systemClock,
        new AbortController().signal,
      );
      assert.match(report.saw, /^200, with a body of more than 1048576 bytes$/);
      await waitUntil("its connection is closed", () => backend.connections === 0);
      assert.deepEqual(pool.load, { active: 0, idle: 0, queued: 0 });
    }
  });
}

test(
  "a connection that died while it was idle says nothing: the probe is sent again on a fresh one",
  limit,
  async (t) => {
    let requests = 0;
    // Answers the first request of a connection and breaks at the second, as if its idle time had just ended.
    const backend = await startRawBackend(t, (socket) => {
      let isFirst = true;
      socket.on("data", () => {
        requests++;
        if (isFirst) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        else socket.destroy();
        isFirst = false;
      });
    });
    const { way } = startWay(t, backend.url);
    for (let i = 0; i < 2; i++) {
      assert.equal((await probe(way, CONFIG, systemClock, new AbortController().signal)).ok, true);
    }
    assert.deepEqual([requests, backend.connectionsTotal], [3, 2]);
  },
);

test("a fresh connection that breaks is a bad probe, at the first time", limit, async (t) => {
  let requests = 0;
  const backend = await startRawBackend(t, (socket) => {
    socket.on("data", () => {
      requests++;
      socket.destroy();
    });
  });
  const report = await probeOf(t, backend.url);
  assert.deepEqual([report.ok, report.status, requests], [false, null, 1]);
  assert.match(report.saw, /closed the connection/);
});

for (const [what, bytes, status] of [
  ["the head", "HTTP/1.1 20", null],
  ["the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf", 200],
] as const) {
  test(
    `a reused connection that breaks within ${what} is a bad probe: it was no idle one that died`,
    limit,
    async (t) => {
      let requests = 0;
      const backend = await startRawBackend(t, (socket) => {
        socket.on("data", () => {
          requests++;
          if (requests === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
          else socket.end(bytes);
        });
      });
      const { way } = startWay(t, backend.url);
      const signal = new AbortController().signal;
      assert.equal((await probe(way, CONFIG, systemClock, signal)).ok, true);
      const report = await probe(way, CONFIG, systemClock, signal);
      assert.deepEqual([report.ok, report.status, requests], [false, status, 2]);
    },
  );
}

test("an upgrade that nobody asked for is no health page", limit, async (t) => {
  const backend = await startRawBackend(t, (socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\n"));
  });
  const report = await probeOf(t, backend.url);
  assert.deepEqual([report.ok, report.status], [false, null]);
  await waitUntil("it is closed", () => backend.connections === 0);
});

test("whatever fails within the asking itself is a bad probe, and is given up", limit, async () => {
  let isGivenUp = false;
  const way: Ask = (_, handler) => {
    handler.onFailed("all connections are busy");
    handler.onEnd(); // told too much: heard once
    return () => {
      isGivenUp = true;
    };
  };
  const report = await probe(way, CONFIG, systemClock, new AbortController().signal);
  assert.deepEqual([report.ok, report.saw, isGivenUp], [false, "all connections are busy", true]);
});

test(
  "a probe asks with the Host and the fields of the config, which may take the place of ours",
  limit,
  async (t) => {
    const backend = await startRawBackend(t, (socket) => {
      socket.on("data", (bytes) => {
        heads.push(String(bytes));
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
    });
    const heads: string[] = [];
    const headers = [
      { name: "X-Probe", value: "yes" },
      { name: "user-agent", value: "kube-probe/1.31" },
    ];
    await probeOf(t, backend.url, { host: "app.example.com:8443", headers, method: "POST", path: "/" });
    await probeOf(t, backend.url, { path: "/" });
    assert.deepEqual(heads, [
      "POST / HTTP/1.1\r\nHost: app.example.com:8443\r\nAccept: */*\r\nX-Probe: yes\r\nuser-agent: kube-probe/1.31\r\nContent-Length: 0\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: ${new URL(backend.url).host}\r\nUser-Agent: traffic-switching-probe\r\nAccept: */*\r\n\r\n`,
    ]);
  },
);

test("fields and body of a real answer are judged, of a body in chunks too", limit, async (t) => {
  const listener: RequestListener = (_req, res) => {
    res.writeHead(200, { "X-Version": ["v1", "v2"] });
    res.write("not o", () => res.end("k yet"));
  };
  const expectHeaders = [{ name: "x-version", value: "v2" }];
  const good = await probeOfListener(t, listener, { expectHeaders, expectBody: "not ok" });
  assert.deepEqual([good.ok, good.saw], [true, "200"]);
  const bad = await probeOfListener(t, listener, { expectHeaders, expectBody: "not OK" });
  assert.deepEqual([bad.ok, bad.status], [false, 200]);
  assert.equal(bad.saw, '200, expected a body with "not OK", found "not ok yet"');
  const other = await probeOfListener(t, listener, { expectHeaders: [{ name: "x-version", value: "v3" }] });
  assert.equal(other.saw, "200, expected the field x-version: v3, found v1, v2");
});

test("latency counts from the request on a connection to the end of the answer", limit, async () => {
  const clock = new ManualClock();
  const steps: Step[] = [
    [40, "sent"],
    [30, "head"],
    [31, "end"],
  ];
  const run = (changes: Partial<ProbeConfig>, given: readonly Step[]) =>
    probe(askBySteps(clock, given), { ...CONFIG, ...changes }, clock, new AbortController().signal);
  assert.equal((await run({ maxLatencyMs: 61 }, steps)).saw, "200");
  const slow = await run({ maxLatencyMs: 60 }, steps);
  assert.deepEqual(
    [slow.ok, slow.saw, slow.durationMs],
    [false, "200 after 61 ms, expected at most 60 ms", 101],
  );
  // Sent once more, because the first connection had died while it was idle: that one does not count.
  const again: Step[] = [
    [0, "sent"],
    [500, "sent"],
    [1, "head"],
    [1, "end"],
  ];
  assert.equal((await run({ maxLatencyMs: 2 }, again)).saw, "200");
});

type Step = readonly [afterMs: number, event: "sent" | "head" | "end"];

/** A backend whose time is the clock's alone. */
function askBySteps(clock: ManualClock, steps: readonly Step[]): Ask {
  return (_, handler) => {
    for (const [afterMs, event] of steps) {
      clock.advance(afterMs);
      if (event === "sent") handler.onSent();
      else if (event === "end") handler.onEnd();
      else handler.onHead(200, { count: 0, name: () => "", value: () => "" });
    }
    return () => {};
  };
}
