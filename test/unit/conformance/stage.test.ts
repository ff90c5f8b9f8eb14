import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import type { Case } from "../../conformance/case.ts";
import { Stage } from "../../conformance/stage.ts";
import type { Target } from "../../conformance/targets/target.ts";
import { freePort } from "../../support/free-port.ts";

const CASE: Case = { promise: "bytes", says: "a case", source: "none", run: async () => undefined };

/** A pipe to the backend that any case can end; each start is a new one. */
function pipes(t: TestContext): { target: Target; stop(): void; starts: () => number } {
  let starts = 0;
  let stop = (): void => undefined;
  const target: Target = {
    name: "pipe",
    has: new Set(["max_body_bytes"]),
    profiles: new Set(["default"]),
    version: async () => "1",
    start: async (_t, _profile, backendPort) => {
      starts++;
      const port = await freePort();
      const server = createServer((client) => {
        const inner = connect(backendPort, "127.0.0.1");
        client.on("error", () => inner.destroy()).pipe(inner);
        inner.on("error", () => client.destroy()).pipe(client);
      });
      await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
      stop = () => server.close();
      t.after(() => void server.close());
      return { host: "127.0.0.1", port };
    },
  };
  return { target, stop: () => stop(), starts: () => starts };
}

test("a case that the proxy does not survive has failed, and the next one meets a new proxy", async (t) => {
  const { target, stop, starts } = pipes(t);
  const stage = await new Stage(t, target).open();
  await stage.run(CASE);
  await assert.rejects(stage.run({ ...CASE, run: async () => stop() }), /no longer answers after this case/);
  assert.equal(starts(), 1);
  await stage.run(CASE);
  assert.equal(starts(), 2);
});

test("a case is not for a proxy without its profile or its setting, nor for another than the daemon", async (t) => {
  const stage = new Stage(t, pipes(t).target);
  assert.ok(stage.canRun(CASE));
  assert.ok(stage.canRun({ ...CASE, needs: "max_body_bytes" }));
  assert.ok(!stage.canRun({ ...CASE, needs: ["max_body_bytes", "max_header_count"] }));
  assert.ok(!stage.canRun({ ...CASE, profile: "limits" }));
  assert.ok(!stage.canRun({ ...CASE, daemonOnly: true }));
});
