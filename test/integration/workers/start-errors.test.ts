import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { onTestEnd } from "../../support/cleanup.ts";
import type { JsonObject } from "../../support/http-client.ts";
import { startProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 30_000 };
const NOBODY = "http://127.0.0.1:9";

async function takePort(t: TestContext, host = "127.0.0.1"): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  onTestEnd(t, () => server.close());
  return (server.address() as AddressInfo).port;
}

/** Starts a daemon that cannot start; gives back what it said last, and its exit code. */
async function startInVain(t: TestContext, config: JsonObject) {
  const proxy = await startProxy(t, { v1: NOBODY, v2: NOBODY, workers: 2, config, ready: false });
  const { code } = await proxy.exited;
  await waitUntil("it has said why", () => proxy.output().endsWith("\n"));
  await proxy.allGone();
  assert.doesNotMatch(proxy.output(), /\n\s+at /, "no stack");
  return { code, output: proxy.output() };
}

test("a traffic port in use ends the start with exit code 1 and one line that says so", limit, async (t) => {
  const port = await takePort(t);
  const { code, output } = await startInVain(t, { server: { port } });
  assert.equal(code, 1);
  assert.equal(
    output,
    `traffic-switching: cannot listen on 127.0.0.1:${port}: the port is in use (EADDRINUSE). ` +
      "Stop the other program, or set server.port (SERVER_PORT, --port).\n",
  );
});

test("a traffic port that is in use on one address only is free on another", limit, async (t) => {
  const port = await takePort(t, "127.0.0.2");
  const proxy = await startProxy(t, { v1: NOBODY, v2: NOBODY, config: { server: { port } }, ready: false });
  await proxy.waitReady();
});

test("an admin port in use ends the start with exit code 1 and one line that says so", limit, async (t) => {
  const port = await takePort(t);
  const { code, output } = await startInVain(t, { admin: { port } });
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^traffic-switching: .*${port}.*in use.*\n$`));
});

for (const [what, host, reason] of [
  ["that is not on this machine", "192.0.2.1", /EADDRNOTAVAIL/],
  ["that does not resolve", "no-such-host.invalid", /does not resolve/],
] as const) {
  test(`a host ${what} ends the start with exit code 1 and one line that says so`, limit, async (t) => {
    const { code, output } = await startInVain(t, { server: { host } });
    assert.equal(code, 1);
    assert.match(output, /^traffic-switching: cannot listen on .*\n$/);
    assert.match(output, reason);
  });
}
