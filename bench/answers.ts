/**
 * Before anything is measured: every contender gives the same answers, or there is no bench.
 *
 * Compared are status, body and the fields that the backend set; what a proxy adds of its own (Via, Server,
 * Date, connection handling) is its business.
 */
import assert from "node:assert/strict";
import { type Reply, request } from "../test/support/http-client.ts";

const REQUESTS = [
  { method: "GET", path: "/" },
  { method: "GET", path: "/some/path?a=1&b=two" },
  { method: "HEAD", path: "/some/path" },
  { method: "POST", path: "/echo", body: "0123456789", headers: { "content-type": "text/plain" } },
] as const;

/** Fields of the backend's answer. */
const COMPARED = ["content-type", "content-length", "x-saw"] as const;

/** @throws AssertionError naming the contender whose answer differs from what the backend itself says. */
export async function assertSameAnswers(backendPort: number, name: string, port: number): Promise<void> {
  for (const options of REQUESTS) {
    const expected = essence(await request(backendPort, options));
    const actual = essence(await request(port, options));
    assert.deepEqual(actual, expected, `${name} answers ${options.method} ${options.path} differently`);
  }
}

function essence({ status, headers, body }: Reply): object {
  return { status, body, fields: COMPARED.map((name) => headers[name]) };
}
