/** Clients that open a connection for each request: none fails, and nothing of them is left. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { startFastPair } from "./fast-pair.ts";
import { notZero, waitQuiet } from "./metrics.ts";
import { openFiles } from "./open-files.ts";
import { SIZE } from "./size.ts";

const COUNT = SIZE.churnConnections;
const AT_A_TIME = 32;
const WARM_UP = 500;
const LIMIT_MS = 120_000;
const ONE_LIMIT_MS = 20_000;
const QUIET_LIMIT_MS = 20_000;
const REQUEST = "GET / HTTP/1.1\r\nHost: load.test\r\nConnection: close\r\n\r\n";
const ANSWER = /^HTTP\/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*\r\nok$/;
const CLOSES = /\r\nconnection: close\r\n/i;

const proxy = await startFastPair({ after }, { upstream: { keep_alive_timeout: "1s" } });

/** @returns what went wrong; null: the answer was whole, said that it closes, and the connection ended in order. */
function once(localAddress: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ port: proxy.port, host: "127.0.0.1", localAddress, timeout: ONE_LIMIT_MS });
    let text = "";
    const settle = (fault: string | null): void => {
      socket.destroy();
      resolve(fault);
    };
    socket.on("timeout", () => settle(`silent for ${ONE_LIMIT_MS} ms after ${JSON.stringify(text)}`));
    socket.on("error", (error) => settle(error.message));
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("end", () => settle(ANSWER.test(text) && CLOSES.test(text) ? null : JSON.stringify(text)));
    socket.write(REQUEST);
  });
}

async function churn(count: number): Promise<string[]> {
  const faults: string[] = [];
  let left = count;
  const client = async (_none: unknown, i: number): Promise<void> => {
    while (left > 0) {
      left--;
      const fault = await once(`127.0.0.${2 + (i % 4)}`);
      if (fault !== null) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, client));
  return faults;
}

test(`${COUNT} connections with one request each, ${AT_A_TIME} at a time: none fails, no descriptor stays`, {
  timeout: LIMIT_MS,
}, async (t) => {
  const pids = await proxy.workerPids();
  assert.deepEqual(await churn(WARM_UP), []);
  await waitQuiet(proxy, QUIET_LIMIT_MS);
  const before = pids.map(openFiles);
  const startedAtMs = performance.now();
  assert.deepEqual(await churn(COUNT), []);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  await waitQuiet(proxy, QUIET_LIMIT_MS);
  assert.deepEqual(pids.map(openFiles), before, "descriptors of the workers");
  assert.deepEqual(await proxy.workerPids(), pids, "no worker was replaced");
  assert.deepEqual(await notZero(proxy, ["upstream_errors_total", "http_refusals_total"]), []);
  t.diagnostic(`${seconds.toFixed(1)} s, ${(COUNT / seconds).toFixed(0)} connections/s`);
});
