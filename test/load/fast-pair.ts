/** The daemon with two workers, in front of a backend that costs next to nothing. */
import type { TestEnd } from "../support/cleanup.ts";
import type { JsonObject } from "../support/http-client.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { startChild } from "./child.ts";

export const WORKERS = 2;

export async function startFastPair(t: TestEnd, config: JsonObject = {}): Promise<TestProxy> {
  const { first } = await startChild<never, { port: number }>(t, "fast-backend-child");
  const url = `http://127.0.0.1:${first.port}`;
  return await startProxy(t, { v1: url, v2: url, workers: WORKERS, config });
}
