/** ApacheBench with thousands of kept-alive connections at once, none of which may see a failure. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needPrograms, runProgram } from "../support/program.ts";
import { startFastPair, WORKERS } from "./fast-pair.ts";
import { notZero } from "./metrics.ts";
import { needConnections } from "./open-files.ts";
import { SIZE } from "./size.ts";

needPrograms({ ab: "apache2-utils" });

const { requests, concurrency } = SIZE.ab;
const LIMIT_MS = 300_000;
const PATIENCE_SECONDS = 60;

needConnections(concurrency);
const proxy = await startFastPair({ after });

/** The figure after `name:`; undefined when ab did not print the line. */
function figure(output: string, name: string): number | undefined {
  const value = new RegExp(`^${name}: +([\\d.]+)`, "m").exec(output)?.[1];
  return value === undefined ? undefined : Number(value);
}

test(`ab -n ${requests} -c ${concurrency} -k through ${WORKERS} workers ends with no failed request`, {
  timeout: LIMIT_MS,
}, async (t) => {
  const pids = await proxy.workerPids();
  // The shell raises ab's own soft limit, which is what it goes by. Without -r the first broken connection ends it.
  const command = `ulimit -S -n "$(ulimit -H -n)" && exec ab -q -k -n ${requests} -c ${concurrency} -s ${PATIENCE_SECONDS} ${proxy.url}/`;
  const output = await runProgram("sh", ["-c", command], { limitMs: LIMIT_MS });
  const seen = {
    complete: figure(output, "Complete requests"),
    failed: figure(output, "Failed requests"),
    keptAlive: figure(output, "Keep-Alive requests"),
    not2xx: figure(output, "Non-2xx responses"),
    writeErrors: figure(output, "Write errors"),
    faults: await notZero(proxy, ["upstream_errors_total", "http_refusals_total"]),
  };
  const expected = {
    complete: requests,
    failed: 0,
    keptAlive: requests,
    not2xx: undefined,
    writeErrors: undefined,
    faults: [],
  };
  assert.deepEqual(seen, expected, output);
  assert.deepEqual(await proxy.workerPids(), pids, "no worker was replaced");
  const seconds = figure(output, "Time taken for tests");
  t.diagnostic(`${seconds} s, ${figure(output, "Requests per second")} requests/s`);
});
