import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { isAlive } from "../../support/process-group.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { openRaw, type RawClient } from "../../support/raw-client.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 40_000 };
const GET = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const GET_KEPT = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

async function requestsCounted(proxy: TestProxy): Promise<number> {
  const { body } = await proxy.admin("GET", "/metrics");
  const found = /http_requests_total\{version="v1",method="GET",code="200"\} (\d+)/.exec(body);
  return Number(found?.[1]);
}

async function waitListening(
  proxy: TestProxy,
  count: number,
  not: readonly number[] = [],
): Promise<number[]> {
  return await waitUntil(
    `${count} workers listen`,
    async () => {
      const { workers } = await proxy.status();
      const fresh = workers.filter(({ state, pid }) => state === "listening" && !not.includes(pid));
      return fresh.length === count && fresh.map(({ pid }) => pid);
    },
    { limitMs: 15_000 },
  );
}

/** Sends requests one after another until told to stop, on connections as `next` gives them; says how each ended. */
function startLoad(connect: () => Promise<RawClient>, request: string) {
  const seen = { good: 0, failed: [] as string[] };
  let isStopping = false;
  const done = (async () => {
    let client = await connect();
    while (!isStopping) {
      try {
        const answer = await client.send(request).readResponse();
        if (answer.status !== 200) seen.failed.push(`${answer.status} ${answer.text}`);
        else seen.good++;
        if (request !== GET) continue;
      } catch (error) {
        seen.failed.push((error as Error).message.slice(0, 200));
      }
      client.destroy();
      client = await connect().catch((error: Error) => {
        seen.failed.push(`cannot connect: ${error.message}`);
        return client;
      });
    }
    client.destroy();
  })();
  return {
    seen,
    stop: async () => {
      isStopping = true;
      await done;
    },
  };
}

test(
  "kill -9 of one of two workers under load: no new connection fails, and of the kept ones only those of that worker",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, workers: 2 });
    const pids = await proxy.workerPids();
    const short = Array.from({ length: 8 }, () => startLoad(() => openRaw(proxy.port), GET));
    const kept = Array.from({ length: 8 }, () => startLoad(() => openRaw(proxy.port), GET_KEPT));
    const total = (loads: typeof short): number => loads.reduce((sum, { seen }) => sum + seen.good, 0);
    await waitUntil("the load runs", () => total(short) > 200 && total(kept) > 200);
    process.kill(pids[0] ?? 0, "SIGKILL");
    await waitListening(proxy, 2, pids.slice(0, 1));
    const before = total(short);
    await waitUntil("the load runs on", () => total(short) > before + 200);
    await Promise.all([...short, ...kept].map(({ stop }) => stop()));
    const keptFailed = kept.flatMap(({ seen }) => seen.failed);
    assert.ok(keptFailed.length <= 8, keptFailed.join("\n"));
    for (const { seen } of kept) assert.ok(seen.failed.length <= 1, seen.failed.join("\n"));
    // A short one may have been in flight in the worker that died, one for each of the load's 8 lines.
    for (const { seen } of short) {
      assert.ok(seen.failed.length <= 1, seen.failed.join("\n"));
      assert.ok(
        seen.failed.every((failure) => !failure.startsWith("cannot connect")),
        seen.failed.join("\n"),
      );
    }
  },
);

test(
  "kill -9 of the only worker: connections made meanwhile wait, none is refused, and all are served",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const [pid = 0] = await proxy.workerPids();
    process.kill(pid, "SIGKILL");
    await waitUntil("the worker is dead", () => !isAlive(pid));
    const clients = await Promise.all(Array.from({ length: 40 }, () => openRaw(proxy.port, { t })));
    const answers = await Promise.all(
      clients.map((client) => client.send(GET).readResponse({ limitMs: 10_000 })),
    );
    assert.ok(answers.every(({ status, text }) => status === 200 && text === "ok"));
  },
);

test(
  "connections in the kernel's queue when the only worker dies are served by its replacement",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const [pid = 0] = await proxy.workerPids();
    process.kill(pid, "SIGSTOP");
    const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(proxy.port, { t })));
    for (const client of clients) client.send(GET);
    process.kill(pid, "SIGKILL");
    const answers = await Promise.all(clients.map((client) => client.readResponse({ limitMs: 10_000 })));
    assert.ok(answers.every(({ status }) => status === 200));
  },
);

test(
  "a request in flight in a worker that is killed is cut, and its backend's request ends",
  limit,
  async (t) => {
    const held: ServerResponse[] = [];
    const backend = await startBackend(t, (_req, res) => {
      res.write("begun");
      held.push(res);
    });
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const client = await openRaw(proxy.port, { t });
    client.send(GET);
    await client.readUntil("begun");
    const [pid = 0] = await proxy.workerPids();
    process.kill(pid, "SIGKILL");
    await client.waitClosed();
    assert.equal(client.unread.toString(), "\r\n", "no last chunk");
    await waitUntil("the backend's request has ended", () => held[0]?.destroyed);
  },
);

test(
  "a worker that dies again and again is replaced with a growing delay, and readiness says so meanwhile",
  limit,
  async (t) => {
    const backend = await startBackend(t);
    const proxy = await startProxy(t, { v1: backend.url, v2: backend.url });
    const delays: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const [pid = 0] = await waitListening(proxy, 1);
      const logged = proxy.logs().length;
      process.kill(pid, "SIGKILL");
      const line = await waitUntil("the death is logged", () =>
        proxy
          .logs()
          .slice(logged)
          .find(({ msg }) => msg?.startsWith("worker died")),
      );
      assert.deepEqual([line.worker_pid, line.signal], [pid, "SIGKILL"]);
      delays.push(line.restart_in_ms);
      const ready = await proxy.admin("GET", "/readyz");
      assert.equal(ready.status, 503);
      assert.match(ready.body, /0 of 1 workers/);
    }
    assert.deepEqual(delays, [0, 100, 200]);
    await waitListening(proxy, 1);
    assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
  },
);

test("a replacement serves the version that was switched to, not the one of the config", limit, async (t) => {
  const v1 = await startBackend(t, (_req, res) => void res.end("v1"));
  const v2 = await startBackend(t, (_req, res) => void res.end("v2"));
  const proxy = await startProxy(t, { v1: v1.url, v2: v2.url });
  await proxy.switchTo("v2");
  const [pid = 0] = await proxy.workerPids();
  process.kill(pid, "SIGKILL");
  await waitUntil("the worker is dead", () => !isAlive(pid));
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send(GET).readResponse({ limitMs: 10_000 })).text, "v2");
  await waitListening(proxy, 1);
  assert.deepEqual(
    (await proxy.status()).workers.map(({ epoch }) => epoch),
    [1],
  );
});

test("no counter falls when a worker is killed", limit, async (t) => {
  const backend = await startBackend(t);
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, workers: 2 });
  const pids = await proxy.workerPids();
  for (let i = 0; i < 60; i++) {
    const client = await openRaw(proxy.port, { t });
    await client.send(GET).readResponse();
  }
  const parse = (body: string): Map<string, number> =>
    new Map(
      body
        .split("\n")
        .filter((line) => /^traffic_switching_\w+(_total|_bucket|_sum|_count)[{ ]/.test(line))
        .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    );
  const read = async () => parse((await proxy.admin("GET", "/metrics")).body);
  const before = await read();
  assert.equal(await requestsCounted(proxy), 60);
  let last = before;
  const watch = async (): Promise<void> => {
    const now = await read();
    for (const [name, value] of last)
      assert.ok((now.get(name) ?? -1) >= value, `${name}: ${value} then ${now.get(name)}`);
    last = now;
  };
  for (const pid of pids) {
    process.kill(pid, "SIGKILL");
    while (isAlive(pid)) await watch();
    for (let i = 0; i < 5; i++) await watch();
    await waitListening(proxy, 2, [pid]);
    await watch();
  }
  assert.equal(await requestsCounted(proxy), 60);
});

async function startWithHeld(t: TestContext, workers = 2) {
  const held: ServerResponse[] = [];
  const backend = await startBackend(t, (req, res) => {
    if (req.url === "/held") held.push(res);
    else res.end("ok");
  });
  return { held, proxy: await startProxy(t, { v1: backend.url, v2: backend.url, workers }) };
}

test("idle workers whose primary was killed end within 2 s", limit, async (t) => {
  const { proxy } = await startWithHeld(t);
  const idle = await openRaw(proxy.port, { t });
  await idle.send(GET_KEPT).readResponse();
  await proxy.kill();
  await proxy.allGone(2_000);
  assert.notEqual(await idle.waitClosed(), "local");
});

test(
  "a worker whose primary was killed finishes what it runs, takes nothing new, and a new primary starts at once on the same port",
  limit,
  async (t) => {
    const { proxy, held } = await startWithHeld(t);
    const busy = await openRaw(proxy.port, { t });
    busy.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    await waitUntil("the request is with the backend", () => held.length === 1);
    const orphans = await proxy.workerPids();
    await proxy.kill();
    proxy.start();
    await proxy.waitReady();
    assert.ok(orphans.some(isAlive), "the busy one still runs");
    for (let i = 0; i < 10; i++) {
      const client = await openRaw(proxy.port, { t });
      assert.equal((await client.send(GET).readResponse()).text, "ok");
    }
    held[0]?.end("finished");
    const answer = await busy.readResponse();
    assert.deepEqual([answer.text, answer.header("connection")], ["finished", "close"]);
    await waitUntil("no orphan is left", () => !orphans.some(isAlive));
  },
);

test("an orphan does not wait longer than its grace for what it runs", limit, async (t) => {
  const { proxy, held } = await startWithHeld(t, 1);
  const busy = await openRaw(proxy.port, { t });
  busy.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitUntil("the request is with the backend", () => held.length === 1);
  const killedMs = performance.now();
  await proxy.kill();
  const answer = await busy.readResponse({ limitMs: 8_000 });
  assert.equal(answer.status, 504);
  assert.ok(performance.now() - killedMs > 3_000, "it had its grace");
  await proxy.allGone(2_000);
});

test("a worker whose primary is killed while it starts does not stay behind", limit, async (t) => {
  const backend = await startBackend(t);
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, workers: 2, ready: false });
  await waitUntil("the workers are forked", () => proxy.processPids().length >= 2);
  await proxy.kill();
  await proxy.allGone(8_000);
});

test(
  "a worker that does not answer refuses a switch within prepare_timeout, and nothing changes",
  limit,
  async (t) => {
    const v1 = await startBackend(t, (_req, res) => void res.end("v1"));
    const v2 = await startBackend(t, (_req, res) => void res.end("v2"));
    const proxy = await startProxy(t, {
      v1: v1.url,
      v2: v2.url,
      workers: 2,
      config: { switch: { prepare_timeout: "700ms" } },
    });
    const [stopped = 0] = await proxy.workerPids();
    process.kill(stopped, "SIGSTOP");
    t.after(() => {
      if (isAlive(stopped)) process.kill(stopped, "SIGCONT");
    });
    const askedMs = performance.now();
    const reply = await proxy.admin("POST", "/switch", { body: { version: "v2" } });
    const tookMs = performance.now() - askedMs;
    assert.equal(reply.status, 422, reply.body);
    assert.equal(reply.json().code, "GATE_REFUSED");
    assert.ok(tookMs >= 600 && tookMs < 3_000, `${tookMs} ms`);
    process.kill(stopped, "SIGCONT");
    const status = await proxy.status();
    assert.deepEqual([status.current_version, status.epoch], ["v1", 0]);
    for (let i = 0; i < 20; i++) {
      const client = await openRaw(proxy.port, { t });
      assert.equal((await client.send(GET).readResponse()).text, "v1");
    }
    assert.deepEqual(
      readdirSync(proxy.stateDir).filter((name) => name === ".version" || name === ".history.jsonl"),
      [],
    );
    await proxy.switchTo("v2"); // and it is not stuck
  },
);

test("a metrics scrape names a worker that does not answer and still answers itself", limit, async (t) => {
  const backend = await startBackend(t);
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, workers: 2 });
  const [stopped = 0] = await proxy.workerPids();
  process.kill(stopped, "SIGSTOP");
  t.after(() => {
    if (isAlive(stopped)) process.kill(stopped, "SIGCONT");
  });
  const { status, body } = await proxy.admin("GET", "/metrics", { limitMs: 4_000 });
  assert.equal(status, 200);
  assert.equal([...body.matchAll(/worker_silent\{worker="\d"\} 1/g)].length, 1);
  process.kill(stopped, "SIGCONT");
  await waitUntil("it answers again", async () => {
    const again = await proxy.admin("GET", "/metrics");
    return !/worker_silent\{worker="\d"\} 1/.test(again.body);
  });
});
