/** The admin API on a Unix socket: the file, who may call, and two daemons that want the same path. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { lstat, mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TestEnd } from "../../support/cleanup.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { type Pair, startPair } from "../../support/pair.ts";
import { type ProxyOptions, runDaemon } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { withLimit } from "../../support/wait.ts";

const LIMIT = { timeout: 30_000 };

async function startOnSocket(
  t: TestEnd,
  path: string,
  admin: Readonly<Record<string, unknown>> = {},
  more: Partial<ProxyOptions> = {},
): Promise<Pair> {
  const config = { admin: { socket: path, ...admin } };
  return await startPair(t, { config, adminVia: { socketPath: path }, ...more });
}

async function modeOf(path: string): Promise<string> {
  return ((await lstat(path)).mode & 0o777).toString(8);
}

test(
  "the socket has its mode, whatever the umask, and is gone when the daemon has ended",
  LIMIT,
  async (t) => {
    const dir = await tempDir(t, "socket");
    for (const [umask, mode, expected] of [
      ["000", undefined, "660"],
      ["077", "0666", "666"],
      ["022", "600", "600"],
    ] as const) {
      const path = join(dir, `${expected}.sock`);
      const wrap = ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"];
      const admin = mode === undefined ? {} : { socket_mode: mode };
      const { proxy } = await startOnSocket(t, path, admin, { wrap });
      assert.equal(await modeOf(path), expected);
      assert.ok((await lstat(path)).isSocket());
      const started = await proxy.waitForLog(({ msg }) => msg === "starting");
      assert.equal(started.admin, `unix:${path}`);
      await proxy.stop();
      assert.ok(!existsSync(path));
    }
  },
);

test(
  "who can open the socket may do everything under any Host, and the history calls it socket",
  LIMIT,
  async (t) => {
    const dir = await tempDir(t, "socket");
    const { proxy } = await startOnSocket(t, join(dir, "a.sock"));
    const headers = { host: "anything.example" };
    const body = { version: "v2", force: true, reason: "test" };
    const reply = await proxy.admin("POST", "/switch", { headers, body });
    assert.equal(reply.status, 200, reply.body);
    for (const path of ["/", "/status", "/metrics", "/history", "/livez", "/readyz"]) {
      assert.equal((await proxy.admin("GET", path, { headers })).status, 200, path);
    }
    const { entries } = (await proxy.admin("GET", "/history")).json() as { entries: { actor: string }[] };
    assert.equal(entries[0]?.actor, "socket");
    const foreign = { headers: { origin: "https://evil.example" }, body: { version: "v1" } };
    assert.equal((await proxy.admin("POST", "/switch", foreign)).status, 403);
  },
);

test("once a token is set a change needs one on the socket too, and reading does not", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const tokens = [{ name: "ci", role: "switch", token: "a-token-of-ci" }];
  const { proxy } = await startOnSocket(t, join(dir, "a.sock"), { tokens });
  const body = { version: "v2" };
  assert.equal((await proxy.admin("GET", "/status")).status, 200);
  assert.equal((await proxy.admin("POST", "/switch", { body })).status, 401);
  const headers = { authorization: "Bearer a-token-of-ci" };
  const reply = await proxy.admin("POST", "/switch", { body, headers });
  assert.equal(reply.status, 200, reply.body);
});

test("nothing listens on host and port while there is a socket", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const { proxy } = await startOnSocket(t, join(dir, "a.sock"));
  const free = createServer();
  await new Promise<void>((resolve, reject) => {
    free.once("error", reject);
    free.listen(proxy.adminPort, "127.0.0.1", resolve);
  });
  free.close();
});

test("the socket of a daemon that was killed is replaced at the next start", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const path = join(dir, "a.sock");
  const { proxy } = await startOnSocket(t, path);
  await proxy.kill();
  assert.ok(existsSync(path), "a kill leaves it behind");
  await proxy.restart();
  assert.equal((await proxy.status()).current_version, "v1");
});

test("of two daemons on one path the second does not start and the first goes on", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const path = join(dir, "a.sock");
  const { proxy } = await startOnSocket(t, path);
  const second = await startOnSocket(t, path, {}, { stateDir: join(dir, "state-2"), ready: false });
  assert.equal((await withLimit(second.proxy.exited, 10_000, "the second daemon to exit")).code, 1);
  const told = `cannot listen on ${path}: another process listens there; end it, or set another admin.socket`;
  assert.ok(second.proxy.output().includes(told), second.proxy.output());
  assert.equal((await proxy.admin("POST", "/switch", { body: { version: "v2" } })).status, 200);
});

test("of daemons that start at once on a stale socket exactly one gets the path, and serves on it", {
  timeout: 60_000,
}, async (t) => {
  const dir = await tempDir(t, "socket");
  const path = join(dir, "a.sock");
  const { proxy } = await startOnSocket(t, path);
  await proxy.kill();
  const starts = await Promise.allSettled(
    ["1", "2", "3"].map((name) => startOnSocket(t, path, {}, { stateDir: join(dir, name), ready: false })),
  );
  const daemons = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value.proxy] : []));
  assert.equal(daemons.length, 3);
  const ends = await Promise.all(
    daemons.map((each) =>
      Promise.race([each.exited, each.waitForLog(({ msg }) => msg === "starting", 20_000)]),
    ),
  );
  const winners = daemons.filter((_, index) => "msg" in (ends[index] ?? {}));
  assert.equal(winners.length, 1, daemons.map((each) => each.output()).join("\n---\n"));
  const [winner] = winners;
  await winner?.waitReady();
  const pids = (await winner?.status())?.workers.map(({ pid }) => pid) ?? [];
  assert.ok(winner?.processPids().includes(pids[0] ?? 0), "it is the winner that answers");
});

test("whatever else lies at the path is refused and left alone", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const [file, folder, link] = ["file", "folder", "link"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(file, "precious");
  await mkdir(folder);
  await symlink(file, link);
  const { proxy } = await startPair(t);
  for (const path of [file, folder, link]) {
    const env = { ADMIN_SOCKET: path, STATE_DIR: join(dir, "state"), SERVER_PORT: "0" };
    await mkdir(env.STATE_DIR, { recursive: true });
    const { code, stderr } = await runDaemon(["--config", proxy.configFile], { env });
    assert.equal(code, 1, stderr);
    assert.ok(stderr.includes(`cannot listen on ${path}: something else lies there`), stderr);
  }
  assert.equal((await lstat(file)).size, "precious".length);
});

test("a folder that is not there or not ours to write to is said", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const { proxy } = await startPair(t);
  const path = join(dir, "missing", "a.sock");
  const env = { ADMIN_SOCKET: path, STATE_DIR: dir, SERVER_PORT: "0" };
  const { code, stderr } = await runDaemon(["--config", proxy.configFile], { env });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /its folder does not exist; make it, or set another admin\.socket \(ADMIN_SOCKET\)/);
});

test("a listener that answers nobody still counts as alive", LIMIT, async (t) => {
  const dir = await tempDir(t, "socket");
  const path = join(dir, "a.sock");
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  onTestEnd(t, () => void silent.close());
  const before = await lstat(path);
  const { proxy } = await startPair(t);
  const env = { ADMIN_SOCKET: path, STATE_DIR: dir, SERVER_PORT: "0" };
  const { code, stderr } = await runDaemon(["--config", proxy.configFile], { env });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /another process listens there/);
  assert.equal((await lstat(path)).ino, before.ino);
});
