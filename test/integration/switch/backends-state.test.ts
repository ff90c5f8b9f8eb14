/** Changes of backends and the state folder, over real processes: what was answered is there, what was refused is not. */
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startBackend } from "../../support/backend.ts";
import { request } from "../../support/http-client.ts";
import { sayName, startPair } from "../../support/pair.ts";
import type { TestProxy } from "../../support/proxy.ts";

const LIMIT = { timeout: 60_000 };

/** v1 is a pool of `a` and `b`, and `b` is drained. */
async function startScene(t: TestContext) {
  const [a, b] = [await startBackend(t, sayName("a")), await startBackend(t, sayName("b"))];
  const { proxy } = await startPair(t, {
    workers: 2,
    config: { backends: { v1: { targets: [a.url, b.url] } } },
  });
  const change = async (action: string) => {
    const body = { version: "v1", backend: b.url, action };
    const reply = await proxy.admin("POST", "/backends", { body });
    const { code = "", message } = reply.json() as { code?: string; message: string };
    return { is: `${reply.status} ${code}`.trim(), message };
  };
  const isDrained = async () => {
    const { versions } = (await proxy.admin("GET", "/backends")).json() as unknown as {
      versions: { backends: { name: string; drained: boolean }[] }[];
    };
    return versions[0]?.backends.find(({ name }) => name === b.url)?.drained;
  };
  const served = async () => {
    const names = new Set<string>();
    for (let n = 0; n < 12; n++) names.add((await request(proxy.port)).body);
    return [...names].sort().join();
  };
  assert.equal((await change("drain")).is, "200");
  const fileOf = (name: string): string => join(proxy.stateDir, name);
  return { proxy, change, isDrained, served, fileOf };
}

/** @param inTheWay where a folder is put, in place of a full or failing disk. */
async function refusedAndKept(t: TestContext, inTheWay: string): Promise<void> {
  const { proxy, change, isDrained, served, fileOf } = await startScene(t);
  const path = fileOf(inTheWay);
  await rm(path, { force: true });
  await mkdir(path);
  await writeFile(join(path, "x"), "");
  const before = await historyOf(proxy);
  const refused = await change("enable");
  assert.equal(refused.is, "500 STATE_WRITE_FAILED", refused.message);
  assert.match(refused.message, /nothing changed/);
  assert.deepEqual([await isDrained(), await served(), await historyOf(proxy)], [true, "a", before]);
  await proxy.restart("SIGKILL");
  assert.deepEqual([await isDrained(), await served()], [true, "a"]);
  await rm(path, { recursive: true });
  assert.equal((await change("enable")).is, "200");
  await proxy.restart("SIGKILL");
  assert.deepEqual([await isDrained(), await served()], [false, "a,b"]);
}

async function historyOf(proxy: TestProxy): Promise<string> {
  return (await proxy.admin("GET", "/history")).body;
}

test(
  "a change of backends that the history cannot take is refused, over kill -9 too, and one that was answered is kept",
  LIMIT,
  (t) => refusedAndKept(t, ".history.jsonl"),
);

test(
  "a change of backends that .backends.json cannot take is refused, over kill -9 too, and one that was answered is kept",
  LIMIT,
  (t) => refusedAndKept(t, ".backends.json.tmp"),
);
