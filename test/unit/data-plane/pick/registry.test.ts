/** Registry: every name has its balancer, and a module of the operator is loaded or refused with a reason. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BALANCER_NAMES } from "../../../../src/core/balancer-names.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { BALANCERS, loadBalancer } from "../../../../src/data-plane/pick/registry.ts";
import { equalCandidates } from "../../../support/candidates.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { createBalancer, picks } from "./picks.ts";

const silent = (): void => undefined;
const KIND = "needsKey: false, needsLatency: false";

async function moduleOf(t: TestContext, source: string): Promise<string> {
  const path = join(await tempDir(t), "my-balancer.mjs");
  await writeFile(path, source);
  return path;
}

/** @returns the text of the refusal, without the path. */
async function refusalOf(path: string, limitMs?: number): Promise<string> {
  const error = await loadBalancer(path, silent, limitMs).then(
    () => assert.fail("it was taken"),
    (refused: unknown) => refused,
  );
  assert.ok(error instanceof StartError, String(error));
  assert.ok(error.message.startsWith(`balance.algorithm ${path}: `), error.message);
  return error.message.slice(`balance.algorithm ${path}: `.length);
}

test("every name of the config has a balancer, and no other", () => {
  assert.deepEqual(Object.keys(BALANCERS), [...BALANCER_NAMES]);
});

test("a name gives the built-in balancer as it is, unguarded", async () => {
  for (const name of BALANCER_NAMES) assert.equal(await loadBalancer(name, silent), BALANCERS[name]);
});

test("a request is hashed and timed only for the balancer that goes by it", () => {
  const [keys, latencies] = [[], []] as [string[], string[]];
  for (const [name, kind] of Object.entries(BALANCERS)) {
    if (kind.needsKey) keys.push(name);
    if (kind.needsLatency) latencies.push(name);
  }
  assert.deepEqual([keys, latencies], [["consistent-hash"], ["p2c-ewma"]]);
});

test("a module's balancer is created with the options, told the rows and asked for a row", async (t) => {
  const path = await moduleOf(
    t,
    `export const balancer = { needsKey: true, needsLatency: true, create: ({ worker, workers }) => ({
       reset({ names }) { this.rows = names.length; },
       pick(_, keyHash) { return (keyHash + worker + workers) % this.rows; },
     }) };`,
  );
  const kind = await loadBalancer(path, (what) => assert.fail(what));
  assert.deepEqual([kind.needsKey, kind.needsLatency], [true, true]);
  const candidates = equalCandidates(10);
  const balancer = createBalancer(kind, candidates, { worker: 1, workers: 4 });
  assert.equal(balancer.pick(candidates, 2), 7);
});

test("a module that is not there is named", async (t) => {
  assert.match(await refusalOf(join(await tempDir(t), "none.js")), /^there is no such file/);
});

test("a module that cannot be loaded is refused with what it said", async (t) => {
  assert.match(await refusalOf(await moduleOf(t, "export const = 1;")), /^it cannot be loaded: /);
  assert.match(
    await refusalOf(await moduleOf(t, "throw new TypeError('no luck');")),
    /^it cannot be loaded: no luck/,
  );
  const missing = await refusalOf(await moduleOf(t, 'import "./gone.mjs";'));
  assert.match(missing, /^it cannot be loaded: .*gone\.mjs/);
});

test("a module without the export is told what to write", async (t) => {
  const rule = "it has no export `balancer`; write `export const balancer = { … }`";
  assert.equal(await refusalOf(await moduleOf(t, "export default {};")), rule);
});

test("an export of another shape is refused with the shape that it must have", async (t) => {
  const sources = [
    "null",
    "() => 1",
    "{}",
    `{ ${KIND} }`,
    "{ needsKey: 0, needsLatency: false, create() {} }",
  ];
  for (const source of sources) {
    const refused = await refusalOf(await moduleOf(t, `export const balancer = ${source};`));
    assert.match(refused, /^its export `balancer` must be \{ needsKey, needsLatency, create \}/, source);
  }
});

test("a create that throws, or gives no balancer, is refused at the start, not at the first request", async (t) => {
  const source = (create: string): string => `export const balancer = { ${KIND}, create() { ${create} } };`;
  assert.match(
    await refusalOf(await moduleOf(t, source("throw new TypeError('no')"))),
    /create\(options\) threw: no$/,
  );
  for (const given of ["", "return null", "return { pick() {} }", "return { reset() {}, pick: 1 }"]) {
    const refused = await refusalOf(await moduleOf(t, source(given)));
    assert.match(
      refused,
      /must give an object with reset\(candidates\) and pick\(candidates, keyHash\)$/,
      given,
    );
  }
});

test("a module that waits for ever at its top level does not hold up the start for ever", async (t) => {
  const path = await moduleOf(t, "await new Promise((resolve) => setTimeout(resolve, 60_000).unref());");
  assert.match(await refusalOf(path, 20), /^it was not loaded within 20 ms/);
});

test("a module of CommonJS serves too", async (t) => {
  const path = join(await tempDir(t), "my-balancer.cjs");
  await writeFile(path, `exports.balancer = { ${KIND}, create: () => ({ reset() {}, pick: () => 1 }) };`);
  const candidates = equalCandidates(2);
  const balancer = createBalancer(await loadBalancer(path, silent), candidates);
  assert.deepEqual(picks(balancer, candidates, 2), [1, 1]);
});
