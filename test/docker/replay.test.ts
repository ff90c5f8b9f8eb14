/**
 * The Dockerfile's steps, replayed in an empty folder with the same commands, and what came of them run as the
 * image's user: no engine runs here. Needs npm and a registry; takes about a minute.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import { startBackend } from "../support/backend.ts";
import { onTestEnd, type TestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { isAlive } from "../support/process-group.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait.ts";
import { Container, childrenOf } from "./container.ts";
import { buildImage, type Image, IS_ROOT } from "./image.ts";

const BUILD_LIMIT_MS = 9 * 60_000;
const WORKERS = 2;
const who = IS_ROOT ? "as the image's user" : "as the user who runs the tests, for want of root";

const end: TestEnd = { after }; // of the whole file: an after() within before() runs when that ends
const dir = await tempDir(end, "image");
let image: Image;

before(
  async () => {
    process.umask(0o022); // an engine's
    chmodSync(dir, 0o755); // the image's user must get through
    image = await buildImage(".", dir);
    chmodSync(image.place("/app/config/config.yaml"), 0o444);
    chmodSync(image.place("/app/config"), 0o555); // mounted read-only
    onTestEnd(end, () => chmodSync(image.place("/app/config"), 0o755));
  },
  { timeout: BUILD_LIMIT_MS },
);

async function startContainer(t: TestEnd, isPidOne = false): Promise<Container> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const v1 = await startBackend(t, (_req, res) => res.end("v1"));
  const v2 = await startBackend(t, (_req, res) => res.end("v2"));
  const env = { BACKEND_V1: v1.url, BACKEND_V2: v2.url, WORKERS: `${WORKERS}` };
  return new Container(t, image, { port, adminPort, env, isPidOne });
}

test("the image holds the compiled daemon, what it depends on, the config and an empty state folder", () => {
  assert.deepEqual(readdirSync(image.root).sort(), ["app", "state"]);
  const held = ["config", "dist", "node_modules", "package-lock.json", "package.json"];
  assert.deepEqual(readdirSync(image.place("/app")).sort(), held);
  assert.deepEqual(readdirSync(image.place("/app/dist")).sort(), ["compile-cache", "src"]);
  assert.deepEqual(readdirSync(image.place("/app/config")), ["config.yaml"]);
  assert.deepEqual(readdirSync(image.place("/state")), []);
});

test("no devDependency is in the image, every dependency is", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const installed = new Set(
    readdirSync(image.place("/app/node_modules"), { recursive: true })
      .map(String)
      .filter((path) => /^(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .map((path) => path.replace("/package.json", "")),
  );
  for (const name of Object.keys(dependencies)) assert.ok(installed.has(name), name);
  for (const name of Object.keys(devDependencies)) assert.ok(!installed.has(name), name);
});

test("the image's user owns the state folder and nothing else", { skip: !IS_ROOT && "needs root" }, () => {
  const [uid] = image.user.split(":").map(Number);
  assert.equal(statSync(image.place("/state")).uid, uid);
  for (const path of [
    "/app",
    "/app/config",
    "/app/dist/src/main.js",
    "/app/dist/compile-cache",
    "/app/node_modules",
  ]) {
    const { uid: owner, mode } = statSync(image.place(path));
    assert.deepEqual([owner, mode & 0o022], [0, 0], path);
  }
});

test("the compile cache is filled, for the primary and for the workers, and for the image's user", () => {
  const [uid] = image.user.split(":");
  const folders = readdirSync(image.place("/app/dist/compile-cache"));
  assert.equal(folders.length, 2); // their flags differ
  for (const folder of folders) {
    assert.match(folder, new RegExp(`^v[\\d.]+-.*-${uid}$`));
    assert.ok(readdirSync(image.place(`/app/dist/compile-cache/${folder}`)).length > 100);
  }
});

test(`forwards, switches and stops on STOPSIGNAL, ${who}, with a read-only config; the next start finds the switched version`, async (t) => {
  const first = await startContainer(t);
  await first.ready();
  assert.equal(await first.get("/"), "v1");
  const switched = await first.admin("POST", "/switch", { version: "v2" });
  assert.equal(switched.status, 200, switched.body);
  assert.equal(await first.get("/"), "v2");
  assert.equal(await first.stop(), 0, first.output());

  const second = await startContainer(t);
  await second.ready();
  assert.equal(await second.get("/"), "v2");
  assert.equal((await second.admin("GET", "/status")).json().current_version, "v2");
  assert.equal(await second.stop(), 0, second.output());
  assert.deepEqual(readdirSync(image.place("/app/config")), ["config.yaml"]);
  assert.ok(readdirSync(image.place("/state")).includes(".version"));
});

test("the health check passes while the daemon lives, and fails when it does not", async (t) => {
  const container = await startContainer(t);
  await container.ready();
  assert.equal(await container.health(), 0);
  assert.equal(await container.stop(), 0, container.output());
  assert.equal(await container.health(), 1);
});

test("arguments after the image's name reach the daemon", () => {
  const [command = "", ...args] = image.entrypoint;
  const options = { cwd: image.place(image.workdir), env: image.environment(), encoding: "utf8" as const };
  const { status, stdout } = spawnSync(command, [...args, "check"], options);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /config\/config\.yaml: ok/);
});

const hasNamespaces = spawnSync("unshare", ["--fork", "--pid", "--mount-proc", "true"]).status === 0;

test("as pid 1: STOPSIGNAL ends it with 0, and a worker that was killed is reaped and replaced", {
  skip: !hasNamespaces && "needs the right to make a pid namespace",
}, async (t) => {
  const container = await startContainer(t, true);
  await container.ready();
  const workers = childrenOf(container.pid);
  assert.equal(workers.length, WORKERS);
  const [killed = 0] = workers;
  process.kill(killed, "SIGKILL");
  await waitUntil("the killed worker is reaped and another runs", () => {
    const now = childrenOf(container.pid);
    return now.length === WORKERS && !now.includes(killed) && now.every(isAlive);
  });
  await container.ready();
  assert.equal(await container.health(), 0);
  assert.equal(await container.stop(), 0, container.output());
});
