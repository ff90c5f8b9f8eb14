/** Balancers in the real daemon: shares over several workers, keys that stay, and modules of the operator. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { type JsonObject, type RequestOptions, request } from "../../support/http-client.ts";
import { readText } from "../../support/markdown.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const limit = { timeout: 60_000 };

interface Setting {
  readonly balance: JsonObject;
  readonly weights?: readonly number[];
  readonly workers?: number;
  readonly ready?: boolean;
}

/** A daemon before three backends that answer with their name: A, B and C. */
async function startThree(
  t: TestContext,
  { balance, weights = [1, 1, 1], workers = 1, ready = true }: Setting,
): Promise<{ proxy: TestProxy; backends: readonly TestBackend[] }> {
  const backends = await Promise.all(
    ["A", "B", "C"].map((name) => startBackend(t, (_req, res) => res.end(name))),
  );
  const targets = backends.map(({ url }, i) => ({ url, weight: weights[i] ?? 1 }));
  const [first] = backends;
  assert.ok(first);
  const proxy = await startProxy(t, {
    v1: first.url,
    v2: first.url,
    workers,
    ready,
    config: { backends: { v1: { targets, balance } } },
  });
  return { proxy, backends };
}

/** The answers to so many requests, each on a connection of its own. */
async function answers(proxy: TestProxy, count: number, options: RequestOptions = {}): Promise<string> {
  let all = "";
  for (let i = 0; i < count; i++) all += (await request(proxy.port, options)).body;
  return all;
}

const countOf = (all: string, name: string): number => all.split(name).length - 1;

async function moduleOf(t: TestContext, source: string): Promise<string> {
  const path = join(await tempDir(t), "my-balancer.mjs");
  await writeFile(path, source);
  return path;
}

test("smooth-weighted: over two workers the shares are right in sum", limit, async (t) => {
  const setting = { balance: { algorithm: "smooth-weighted" }, weights: [5, 1, 1], workers: 2 };
  const { proxy } = await startThree(t, setting);
  const all = await answers(proxy, 70);
  for (const [name, fair] of [
    ["A", 50],
    ["B", 10],
    ["C", 10],
  ] as const) {
    assert.ok(Math.abs(countOf(all, name) - fair) <= 2, `${name} in ${all}`);
  }
});

test(
  "consistent-hash: a user stays with a backend in every worker, and not all have the same",
  limit,
  async (t) => {
    const balance = { algorithm: "consistent-hash", key: "header:X-User" };
    const { proxy } = await startThree(t, { balance, workers: 2 });
    const owners = new Set<string>();
    for (let user = 0; user < 12; user++) {
      const all = await answers(proxy, 5, { headers: { "X-User": `user-${user}` } });
      assert.match(all, /^(A+|B+|C+)$/);
      owners.add(all);
    }
    assert.ok(owners.size > 1);
  },
);

test("the balancer of docs/balancers.md runs, and does what is said of it", limit, async (t) => {
  const source = /<!-- checked: example -->\n\n```js\n([\s\S]*?)```/.exec(readText("docs/balancers.md"))?.[1];
  assert.ok(source !== undefined);
  const { proxy } = await startThree(t, { balance: { algorithm: await moduleOf(t, source) } });
  assert.equal(await answers(proxy, 5), "AAAAA");
});

test("a balancer that throws costs no request, and the log says it once", limit, async (t) => {
  const source = `export const balancer = { needsKey: false, needsLatency: false,
    create: () => ({ reset() {}, pick() { throw new TypeError("no idea"); } }) };`;
  const algorithm = await moduleOf(t, source);
  const { proxy } = await startThree(t, { balance: { algorithm } });
  assert.equal([...(await answers(proxy, 6))].sort().join(""), "AABBCC");
  const isFault = ({ msg = "" }: { msg?: string }): boolean => msg.startsWith("a balancer failed");
  const line = await proxy.waitForLog(isFault);
  assert.equal(line.version, "v1");
  assert.equal(line.algorithm, algorithm);
  assert.equal(line.fault, "pick threw");
  assert.equal(proxy.logs().filter(isFault).length, 1);
});

test("a module that exports no balancer ends the start, and the reason is in the log", limit, async (t) => {
  const algorithm = await moduleOf(t, "export const balance = {};");
  const { proxy } = await startThree(t, { balance: { algorithm }, ready: false, workers: 2 });
  assert.equal((await proxy.exited).code, 1);
  const line = await proxy.waitForLog(({ msg = "" }) => msg.startsWith("a worker cannot start"));
  assert.match(
    String(line.msg),
    /my-balancer\.mjs: it has no export `balancer`; write `export const balancer/,
  );
});

test(
  "a module that was broken while the proxy runs keeps a dead worker from coming back, and nothing else",
  limit,
  async (t) => {
    const good = readText("docs/balancers.md").split("```js\n")[1]?.split("```")[0] ?? "";
    const algorithm = await moduleOf(t, good);
    const { proxy } = await startThree(t, { balance: { algorithm }, workers: 2 });
    await writeFile(algorithm, "export const = ;");
    const { workers } = await proxy.status();
    process.kill(workers[0]?.pid ?? 0, "SIGKILL");
    await proxy.waitForLog(({ msg = "" }) => msg.startsWith("a worker cannot start"));
    assert.equal(await answers(proxy, 5), "AAAAA");
    await writeFile(algorithm, good);
    await proxy.waitForLog(
      ({ msg = "", worker_pid }) =>
        msg === "worker listens" && !workers.some(({ pid }) => pid === worker_pid),
      30_000,
    );
  },
);
