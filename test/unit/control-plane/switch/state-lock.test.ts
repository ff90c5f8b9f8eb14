import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { lockStateDir } from "../../../../src/control-plane/switch/state-lock.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { onTestEnd, type TestEnd } from "../../../support/cleanup.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const CHILD = fileURLToPath(
  new URL(`./state-child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);

interface Holder {
  process: ChildProcess;
  /** Its first line. */
  said: string;
}

async function startHolder(t: TestEnd, folder: string): Promise<Holder> {
  const child = spawn(process.execPath, [CHILD, "lock", folder], { stdio: ["ignore", "pipe", "inherit"] });
  onTestEnd(t, () => kill(child));
  const [said] = await once(createInterface(child.stdout), "line");
  return { process: child, said: String(said) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

const sockets = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith(".sock"));

function inUse(folder: string, pid?: number) {
  return (error: unknown): true => {
    assert.ok(error instanceof StartError);
    assert.equal(error.exitCode, 1);
    const who = pid === undefined ? "another daemon" : `another daemon (pid ${pid})`;
    assert.equal(
      error.message,
      `the state folder ${folder} is in use by ${who}; stop that one, or give this one a state folder of its own (STATE_DIR or state_dir)`,
    );
    return true;
  };
}

test("a second process is refused while the first lives, and told its pid", async (t) => {
  const folder = await tempDir(t);
  const { process: holder, said } = await startHolder(t, folder);
  assert.equal(said, "holding");
  await assert.rejects(lockStateDir(folder), inUse(folder, holder.pid));
  assert.equal((await sockets(folder)).length, 1);
});

test("the lock is free after kill -9 of its holder, and what it left is swept away", async (t) => {
  const folder = await tempDir(t);
  const { process: holder } = await startHolder(t, folder);
  await kill(holder);
  const [left] = await sockets(folder);
  const lock = await lockStateDir(folder);
  const now = await sockets(folder);
  assert.ok(now.length === 1 && now[0] !== left);
  assert.equal((await stat(join(folder, now[0] ?? ""))).mode & 0o777, 0o600);
  await lock.release();
  assert.deepEqual(await sockets(folder), []);
});

test("a stopped holder still holds", async (t) => {
  const folder = await tempDir(t);
  const { process: holder } = await startHolder(t, folder);
  holder.kill("SIGSTOP");
  await assert.rejects(lockStateDir(folder), inUse(folder));
  holder.kill("SIGCONT");
});

test("a released lock can be taken again, twice released is no matter", async (t) => {
  const folder = await tempDir(t);
  for (let turn = 0; turn < 3; turn++) {
    const lock = await lockStateDir(folder);
    await lock.release();
    await lock.release();
  }
  assert.deepEqual(await readdir(folder), []);
});

for (const [name, makeStale] of [
  ["in an empty folder", async () => {}],
  ["after a kill -9", async (t: TestEnd, folder: string) => kill((await startHolder(t, folder)).process)],
] as const) {
  test(`of many that start at once ${name}, exactly one holds`, async (t) => {
    for (let round = 0; round < 30; round++) {
      const folder = await tempDir(t);
      if (round === 0) await makeStale(t, folder);
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockStateDir(folder)));
      const locks = results.filter((result) => result.status === "fulfilled");
      assert.equal(locks.length, 1);
      for (const { value } of locks) await value.release();
    }
  });
}

test("of several processes that start at once over a dead one's lock, exactly one holds", async (t) => {
  const folder = await tempDir(t);
  await kill((await startHolder(t, folder)).process);
  const holders = await Promise.all(Array.from({ length: 5 }, () => startHolder(t, folder)));
  const said = holders.map((holder) => holder.said.split(" ")[0]).sort();
  assert.deepEqual(said, ["holding", "refused", "refused", "refused", "refused"]);
  assert.equal((await sockets(folder)).length, 1);
});

test("a path too long for a socket address works", { skip: process.platform !== "linux" }, async (t) => {
  const folder = join(await tempDir(t), "d".repeat(200));
  await mkdir(folder);
  const { said } = await startHolder(t, folder);
  assert.equal(said, "holding");
  await assert.rejects(lockStateDir(folder), StartError);
});

test("a socket of the folder that answers something else is not taken for dead", async (t) => {
  const folder = await tempDir(t);
  const server = createServer((socket) => socket.end("hello\n")).listen(
    join(folder, ".lock-0123456789abcdef.sock"),
  );
  await once(server, "listening");
  onTestEnd(t, () => server.close());
  await assert.rejects(lockStateDir(folder), inUse(folder));
});

test("the lock does not keep its process alive", async (t) => {
  const folder = await tempDir(t);
  const script = `const { lockStateDir } = await import(process.argv[1]); await lockStateDir(process.argv[2]);`;
  const url = new URL(
    `../../../../src/control-plane/switch/state-lock${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
    import.meta.url,
  );
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, url.href, folder], {
    stdio: "inherit",
  });
  onTestEnd(t, () => kill(child));
  assert.deepEqual(await once(child, "exit", { signal: AbortSignal.timeout(5_000) }), [0, null]);
});
