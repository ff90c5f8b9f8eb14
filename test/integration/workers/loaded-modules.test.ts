/** What a process of the daemon loads: each module costs every start, and every replacement of a worker, its time. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startBackend } from "../../support/backend.ts";
import { startProxy } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const PRELOADED = fileURLToPath(new URL(`../../support/note-modules.${ending}`, import.meta.url));

test("a worker that has served loads nothing of the config, the metrics and node:http", async (t) => {
  const backend = await startBackend(t);
  const dir = await tempDir(t, "modules");
  const env = { MODULES_DIR: dir, NODE_OPTIONS: `--import=${PRELOADED}` };
  const proxy = await startProxy(t, { v1: backend.url, v2: backend.url, env });
  const [pid = 0] = await proxy.workerPids();
  await proxy.switchTo("v2");
  const client = await openRaw(proxy.port, { t });
  assert.equal((await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").readResponse()).status, 200);
  assert.equal((await proxy.admin("GET", "/metrics")).status, 200);
  await proxy.stop();

  const [ofWorker, ofPrimary] = [pid, proxy.pid].map((each) => readFileSync(join(dir, `${each}`), "utf8"));
  for (const [what, name] of [
    ["the worker's own", /\/data-plane\/pipeline\./],
    ["what a package requires", /\/pino\/lib\//],
    ["Node's own", /^NativeModule net$/m],
  ] as const) {
    assert.match(ofWorker ?? "", name, `${what} modules are noted`);
  }
  for (const one of [
    /\/node_modules\/(zod|yaml|prom-client|@opentelemetry)\//,
    /\/config\/(schema|load|values)\./,
    /\/control-plane\//,
    /^NativeModule (http|http2|zlib|tls|crypto|internal\/deps\/undici\/undici)$/m,
  ]) {
    assert.doesNotMatch(ofWorker ?? "", one);
  }
  assert.match(ofPrimary ?? "", /\/node_modules\/prom-client\//, "the scrape has loaded the metrics");
  assert.doesNotMatch(ofPrimary ?? "", /^NativeModule (http2|internal\/deps\/undici\/undici)$/m);
});
