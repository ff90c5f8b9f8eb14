/** The command line and the environment: commands, precedence, and what the running daemon makes of them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { request } from "../../support/http-client.ts";
import { sayName, startPair } from "../../support/pair.ts";
import { runDaemon, startProxy } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const dir = await tempDir({ after }, "command-line");
const file = join(dir, "config.yaml");
await writeFile(
  file,
  'server: { port: 18080, workers: 3 }\nbackends: { v1: "http://127.0.0.1:1", v2: "http://127.0.0.1:2" }\nactive_version: v1\n',
);

test("check says that a good config is good, and what would run", { timeout: 20_000 }, async () => {
  const { code, stdout, stderr } = await runDaemon(["check", "--config", file]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.ok(stdout.startsWith(`${file}: ok\n`), stdout);
  for (const part of [
    /18080/,
    /3 workers/,
    /v1 +http:\/\/127\.0\.0\.1:1 /,
    /v2/,
    /tokens: none/,
    /127\.0\.0\.1:8081/,
  ]) {
    assert.match(stdout, part);
  }
  assert.deepEqual(await readdir(dir), ["config.yaml"], "it opens no state");
});

test("flag wins over environment, environment over file, file over default", {
  timeout: 20_000,
}, async () => {
  const listen = async (env: Record<string, string>, ...flags: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runDaemon(["check", "--config", file, ...flags], { env });
    assert.equal(code, 0, stderr);
    return /listen +(.*)/.exec(stdout)?.[1] ?? "";
  };
  assert.equal(await listen({}), "http://0.0.0.0:18080, 3 workers");
  assert.equal(await listen({ SERVER_PORT: "18081", WORKERS: "1" }), "http://0.0.0.0:18081, 1 worker");
  assert.equal(await listen({ SERVER_PORT: "18081" }, "--port", "18082"), "http://0.0.0.0:18082, 3 workers");
  assert.equal(
    await listen({ SERVER_PORT: "", SERVER_HOST: "127.0.0.1" }),
    "http://127.0.0.1:18080, 3 workers",
  );
});

// npx makes it executable once only: after the next build, which `npm start` makes too, it could not run it.
test("the build leaves the command executable, so that npx runs it after every build", {
  skip: import.meta.filename.endsWith(".ts") ? "only what is built" : false,
}, async () => {
  const { mode } = await stat(join(import.meta.dirname, "../../../src/main.js"));
  assert.equal(mode & 0o111, 0o111, "may be executed by everybody who may read it");
});

test("--help and --version print and exit 0, whatever else is there", { timeout: 20_000 }, async () => {
  for (const args of [["--help"], ["-h"], ["help"], ["check", "--help"], ["--prot", "--help"]]) {
    const { code, stdout, stderr } = await runDaemon(args);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    for (const part of ["Usage: traffic-switching", "--config", "ADMIN_TOKEN", "check"]) {
      assert.ok(stdout.includes(part), `${args.join(" ")}: ${part}`);
    }
  }
  for (const args of [["--version"], ["-v"], ["version"]]) {
    const { code, stdout } = await runDaemon(args);
    assert.equal(code, 0);
    assert.match(stdout, /^traffic-switching \d+\.\d+\.\d+\n$/);
  }
});

test("a command line that is not understood is exit 2, with what was probably meant", {
  timeout: 30_000,
}, async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--prot", "8080"], /unknown flag --prot; did you mean --port\?/],
    [["--port"], /--port needs a value/],
    [["--port", "--host", "x"], /--port needs a value/],
    [["chekc"], /did you mean check\?/],
    [["check", "twice"], /unexpected argument "twice"/],
    [["--token", "hunter2secret"], /unknown flag --token/],
    [["-x"], /unknown flag -x/],
  ];
  for (const [args, says] of cases) {
    const { code, stdout, stderr } = await runDaemon([...args, "--config", file]);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, says);
    assert.ok(!stderr.includes("hunter2secret"), "a value may be a secret");
    assert.doesNotMatch(stderr, /\n\s+at /);
  }
});

test("CONFIG_FILE names the config, --config wins over it, and without both it is config/config.yaml", {
  timeout: 20_000,
}, async () => {
  const byEnv = await runDaemon(["check"], { env: { CONFIG_FILE: file } });
  assert.match(byEnv.stdout, /18080/);
  const byFlag = await runDaemon(["check", "--config", file], { env: { CONFIG_FILE: "/nowhere" } });
  assert.equal(byFlag.code, 0, byFlag.stderr);
  const byDefault = await runDaemon(["check"], { cwd: dir });
  assert.equal(byDefault.code, 2);
  assert.match(byDefault.stderr, /config\/config\.yaml/);
});

test("BACKEND_<NAME> overrides one of the file and adds others, in lower case, and they can be switched to", {
  timeout: 40_000,
}, async (t) => {
  const v1 = await startBackend(t, sayName("v1 of the environment"));
  const green = await startBackend(t, sayName("green"));
  const { proxy, v2 } = await startPair(t, {
    v1: "http://127.0.0.1:1",
    env: { BACKEND_V1: v1.url, BACKEND_GREEN: green.url },
  });
  const status = await proxy.status();
  assert.deepEqual(status.backends, { v1: v1.url, v2: v2.url, green: green.url });
  assert.equal((await request(proxy.port)).body, "v1 of the environment");
  await proxy.switchTo("green");
  assert.equal((await request(proxy.port)).body, "green");
});

test("environment and flags reach the running daemon: WORKERS, ACTIVE_VERSION, ADMIN_PORT, --active-version", {
  timeout: 60_000,
}, async (t) => {
  const { proxy } = await startPair(t, {
    workers: 3,
    env: { WORKERS: "1", ACTIVE_VERSION: "v2", LOG_LEVEL: "debug" },
  });
  const byEnv = await proxy.status();
  assert.equal(byEnv.workers.length, 1);
  assert.equal(byEnv.current_version, "v2");
  assert.equal((await request(proxy.port)).body, "v2");
  await proxy.stop();
  proxy.start({ args: ["--active-version", "v1", "--workers", "2"] });
  await proxy.waitReady();
  const byFlag = await proxy.status();
  assert.equal(byFlag.workers.length, 2);
  assert.equal(byFlag.current_version, "v1");
});

test("the short form of the config is enough, with one worker per core", { timeout: 40_000 }, async (t) => {
  const v1 = await startBackend(t, sayName("v1"));
  const v2 = await startBackend(t, sayName("v2"));
  const proxy = await startProxy(t, {
    v1: v1.url,
    v2: v2.url,
    config: { switch: undefined, state_dir: undefined, server: { workers: undefined, host: undefined } },
  });
  const status = await proxy.status();
  assert.equal(status.workers.length, availableParallelism());
  await proxy.switchTo("v2");
  assert.equal((await request(proxy.port)).body, "v2");
  const cooling = (await proxy.status()).cooldown_remaining_seconds;
  assert.ok(cooling > 550 && cooling <= 600, `the default cool-down is 10 minutes, not ${cooling} s`);
});

test("a port in use ends the start with exit 1 and what to set, for either listener", {
  timeout: 40_000,
}, async (t) => {
  const blocker = createServer();
  blocker.listen(0, "127.0.0.1");
  await once(blocker, "listening");
  t.after(() => blocker.close());
  const { port } = blocker.address() as { port: number };
  const state = join(dir, "state-of-port-in-use");
  const common = ["--config", file, "--state-dir", state, "--workers", "1", "--host", "127.0.0.1"];
  const traffic = await runDaemon(
    [...common, "--port", String(port), "--admin-port", String(await freePort())],
    {
      limitMs: 20_000,
    },
  );
  assert.equal(traffic.code, 1, traffic.stderr);
  assert.match(traffic.stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*in use`));
  assert.match(traffic.stderr, /SERVER_PORT/);
  const admin = await runDaemon(
    [...common, "--port", String(await freePort()), "--admin-port", String(port)],
    {
      limitMs: 20_000,
    },
  );
  assert.equal(admin.code, 1, admin.stderr);
  assert.match(admin.stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*in use`));
  assert.match(admin.stderr, /ADMIN_PORT/);
  for (const { stderr } of [traffic, admin]) assert.doesNotMatch(stderr, /\n\s+at /);
});

test("every line of the log is one JSON object with level, time, pid, role and a sentence", {
  timeout: 40_000,
}, async (t) => {
  const { proxy } = await startPair(t);
  await request(proxy.port);
  await proxy.switchTo("v2");
  const exit = await proxy.stop();
  assert.deepEqual(exit, { code: 0, signal: null });
  const lines = proxy.output().trimEnd().split("\n");
  assert.ok(lines.length >= 4);
  for (const line of lines) {
    const entry = JSON.parse(line) as Record<string, unknown>;
    for (const key of ["level", "time", "pid", "role", "msg"]) assert.ok(key in entry, line);
    for (const key of Object.keys(entry)) assert.match(key, /^[a-z][a-z0-9_]*$/, line);
  }
});

test("SIGHUP is logged and ignored", { timeout: 40_000 }, async (t) => {
  const proxy = await startProxy(t, { v1: "http://127.0.0.1:1", v2: "http://127.0.0.1:2" });
  for (const pid of proxy.processPids()) process.kill(pid, "SIGHUP");
  await proxy.waitForLog(({ msg }) => /SIGHUP/.test(msg ?? ""));
  assert.equal((await proxy.admin("GET", "/readyz")).status, 200);
});
