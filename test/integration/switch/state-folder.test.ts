/** The state folder as a whole: who may use it, what it must allow, and what a failed write leaves behind. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { type Pair, sayName, startPair } from "../../support/pair.ts";
import { whilePaused } from "../../support/paused.ts";
import { runDaemon } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const run = promisify(execFile);

/** A mount namespace of the daemon's own: no mount is ever seen outside it, or left behind. */
const OWN_MOUNTS = ["unshare", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount"];
const canMount = await run(OWN_MOUNTS[0] ?? "", [
  ...OWN_MOUNTS.slice(1),
  "sh",
  "-c",
  "mount --bind /tmp /tmp",
]).then(
  () => true,
  () => false,
);
const needsMounts = canMount ? false : "needs a mount namespace (unshare --mount)";

/** Runs `script` in a mount namespace of its own, then the daemon; `$STATE` is the state folder. */
function withMounts(script: string): string[] {
  return [...OWN_MOUNTS, "sh", "-c", `${script} && exec "$0" "$@"`];
}

async function writeConfig(dir: string, stateDir: string): Promise<string> {
  const file = join(dir, "config.yaml");
  const config = {
    server: { host: "127.0.0.1", port: await freePort(), workers: 1 },
    admin: { port: await freePort() },
    backends: { v1: "http://127.0.0.1:1", v2: "http://127.0.0.1:2" },
    active_version: "v1",
    state_dir: stateDir,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

function assertClear(
  output: { code: number | null; stderr: string; stdout: string },
  ...words: RegExp[]
): void {
  assert.equal(output.code, 1, output.stderr);
  for (const word of words) assert.match(output.stderr, word);
  assert.doesNotMatch(output.stderr + output.stdout, /\n\s+at .*[.:]\d+/, "a stack");
  assert.ok(output.stderr.trim().split("\n").length <= 2, output.stderr);
}

test("a read-only state folder ends the start with exit 1, its path and what to set", {
  timeout: 30_000,
  skip: needsMounts,
}, async (t) => {
  const dir = await tempDir(t, "read-only");
  const state = join(dir, "state");
  await mkdir(state);
  const output = await runDaemon(["--config", await writeConfig(dir, state)], {
    wrap: withMounts('mount --bind "$STATE" "$STATE" && mount -o remount,bind,ro "$STATE"'),
    env: { STATE: state },
  });
  assertClear(output, /state folder/, new RegExp(state), /not writable/, /STATE_DIR/);
});

test("a state folder that is read-only keeps a daemon from starting, even when it holds good files", {
  timeout: 30_000,
  skip: needsMounts,
}, async (t) => {
  const dir = await tempDir(t, "read-only");
  const state = join(dir, "state");
  await mkdir(state);
  await writeFile(join(state, ".version"), "v2\n");
  const output = await runDaemon(["--config", await writeConfig(dir, state)], {
    wrap: withMounts('mount --bind "$STATE" "$STATE" && mount -o remount,bind,ro "$STATE"'),
    env: { STATE: state },
  });
  assertClear(output, /not writable/);
  assert.equal(await readFile(join(state, ".version"), "utf8"), "v2\n");
});

test("a .version that is mounted as a single file ends the start with the hint to mount the folder", {
  timeout: 30_000,
  skip: needsMounts,
}, async (t) => {
  const dir = await tempDir(t, "mounted-file");
  const state = join(dir, "state");
  await mkdir(state);
  await writeFile(join(dir, "on-the-host"), "v1\n");
  await writeFile(join(state, ".version"), "");
  const output = await runDaemon(["--config", await writeConfig(dir, state)], {
    wrap: withMounts(`mount --bind "${join(dir, "on-the-host")}" "$STATE/.version"`),
    env: { STATE: state },
  });
  assertClear(output, /\.version/, /single file/, /mount the folder/);
});

test("a state folder that is mounted as a whole is fine", {
  timeout: 30_000,
  skip: needsMounts,
}, async (t) => {
  const stateDir = await tempDir(t, "mounted-folder");
  const elsewhere = await tempDir(t, "volume");
  const { proxy } = await startPair(t, {
    stateDir,
    wrap: withMounts(`mount --bind "${elsewhere}" "$STATE"`),
    env: { STATE: stateDir },
  });
  await proxy.switchTo("v2");
  assert.match(await readFile(join(elsewhere, ".version"), "utf8"), /^v2\n?$/);
});

test("a state folder that cannot be one ends the start with a clear sentence", {
  timeout: 30_000,
}, async (t) => {
  const dir = await tempDir(t, "no-folder");
  await writeFile(join(dir, "a-file"), "");
  for (const state of [join(dir, "a-file"), join(dir, "a-file", "below")]) {
    assertClear(await runDaemon(["--config", await writeConfig(dir, state)]), /state folder/, /STATE_DIR/);
  }
});

test("a second daemon on the same state folder does not start, not even while the first stands still", {
  timeout: 60_000,
}, async (t) => {
  const { proxy } = await startPair(t);
  await proxy.switchTo("v2");
  const dir = await tempDir(t, "second");
  const config = await writeConfig(dir, proxy.stateDir);
  const second = await runDaemon(["--config", config]);
  assertClear(second, /in use by another daemon/, new RegExp(String(proxy.pid)), /STATE_DIR/);
  await whilePaused(proxy.processPids(), async () => {
    assertClear(await runDaemon(["--config", config], { limitMs: 20_000 }), /in use by another daemon/);
  });
  assert.equal((await request(proxy.port)).body, "v2", "the first one never noticed");
  await proxy.switchTo("v1");
  assert.equal((await proxy.status()).epoch, 2);
});

test("after kill -9 the next daemon starts at once, on the same folder and port", {
  timeout: 60_000,
}, async (t) => {
  const { proxy, v2, behave } = await startPair(t, { workers: 2 });
  await proxy.switchTo("v2");
  // An orphaned worker still has something to wait for.
  behave.v2 = (req, res) => void (req.url === "/hangs" || res.end("v2"));
  const seen = v2.requestSeen();
  const running = request(proxy.port, { path: "/hangs", limitMs: 30_000 }).catch(() => null);
  await seen;
  await proxy.kill();
  proxy.start();
  await proxy.waitReady();
  const status = await proxy.status();
  assert.deepEqual([status.current_version, status.epoch], ["v2", 1]);
  await proxy.switchTo("v1");
  assert.equal((await request(proxy.port)).body, "v1");
  behave.v2 = sayName("v2"); // for the retry of what is cut now
  v2.closeConnections();
  await running;
});

test("state_dir is relative to the config's folder, STATE_DIR and --state-dir win, and a folder is made when missing", {
  timeout: 90_000,
}, async (t) => {
  const pair = await startPair(t, { ready: false, config: { state_dir: "deep/er" } });
  const { proxy } = pair;
  await proxy.waitReady();
  const flagged = join(proxy.dir, "by-flag");
  const cases: readonly (readonly [string, Parameters<Pair["proxy"]["start"]>[0]])[] = [
    [join(proxy.dir, "deep", "er"), {}],
    [join(proxy.dir, "by-env"), { env: { STATE_DIR: join(proxy.dir, "by-env") } }],
    [flagged, { env: { STATE_DIR: join(proxy.dir, "by-env") }, args: ["--state-dir", flagged] }],
  ];
  for (const [folder, start] of cases) {
    await proxy.kill();
    await proxy.allGone();
    proxy.start(start);
    await proxy.waitReady();
    assert.equal((await proxy.status()).epoch, 0, folder);
    await proxy.switchTo("v2");
    assert.match(await readFile(join(folder, ".version"), "utf8"), /^v2\n?$/);
  }
});

/** A switch that could not be written: 500, and nothing changed, neither now nor after a crash. */
async function assertWriteFails({ proxy }: Pair): Promise<void> {
  const before = await proxy.status();
  const reply = await proxy.admin("POST", "/switch", { body: { version: "v2" } });
  assert.equal(reply.status, 500, reply.body);
  const problem = reply.json();
  assert.deepEqual([problem.success, problem.code], [false, "STATE_WRITE_FAILED"]);
  assert.match(String(problem.message), /nothing changed/);
  assert.doesNotMatch(reply.body, /\n\s+at /);
  const after = await proxy.status();
  assert.deepEqual(
    [after.epoch, after.current_version, after.cooldown_remaining_seconds, after.rollback_to],
    [before.epoch, before.current_version, before.cooldown_remaining_seconds, before.rollback_to],
  );
  for (let n = 0; n < 5; n++) assert.equal((await request(proxy.port)).body, before.current_version);
}

test("a history that cannot be written refuses the switch and leaves no entry", {
  timeout: 60_000,
}, async (t) => {
  const pair = await startPair(t, { workers: 2, config: { switch: { min_interval: "1s" } } });
  const history = join(pair.proxy.stateDir, ".history.jsonl");
  await mkdir(history); // stands in for a full or failing disk: it cannot be opened for writing
  await assertWriteFails(pair);
  assert.deepEqual((await pair.proxy.admin("GET", "/history")).json().entries, []);
  await rm(history, { recursive: true });
  assert.equal((await pair.proxy.switchTo("v2")).epoch, 1, "no epoch is skipped");
  await pair.proxy.restart("SIGKILL");
  assert.deepEqual(
    [(await pair.proxy.status()).current_version, (await pair.proxy.status()).epoch],
    ["v2", 1],
  );
});

test("a .version that cannot be written takes the history's entry back", { timeout: 60_000 }, async (t) => {
  const pair = await startPair(t, { workers: 2 });
  const { proxy } = pair;
  const history = join(proxy.stateDir, ".history.jsonl");
  const inTheWay = join(proxy.stateDir, ".version.tmp");
  await proxy.switchTo("v2");
  await proxy.switchTo("v1");
  const before = await readFile(history, "utf8");
  await mkdir(inTheWay);
  await writeFile(join(inTheWay, "x"), "");
  await assertWriteFails(pair);
  assert.equal(await readFile(history, "utf8"), before);
  await proxy.restart("SIGKILL");
  assert.deepEqual([(await proxy.status()).current_version, (await proxy.status()).epoch], ["v1", 2]);
  await rename(inTheWay, join(proxy.dir, "out-of-the-way"));
  assert.equal((await proxy.switchTo("v2")).epoch, 3);
});
