/** Promises of late-metrics.ts: what happens before the metrics are there is counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../../src/config/schema.ts";
import { LateMetrics } from "../../../src/telemetry/late-metrics.ts";
import type { MetricsSources } from "../../../src/telemetry/scrape.ts";

function makeMetrics(): LateMetrics {
  const config = { backends: [{ version: "v1" }, { version: "v2" }] } as unknown as Config;
  return new LateMetrics({ config } as unknown as MetricsSources);
}

test("they are loaded once, by whoever needs them first", async () => {
  const metrics = makeMetrics();
  const [first, second] = await Promise.all([metrics.load(), metrics.load()]);
  assert.equal(first, second);
  assert.equal(await metrics.load(), first);
});

test("a switch that ends before they are loaded is counted", async (t) => {
  const metrics = makeMetrics();
  metrics.switches.switchEnded({
    from: "v1",
    to: "v2",
    outcome: "done",
    trigger: "switch",
    phaseSeconds: {},
  });
  const { SwitchMetrics } = await import("../../../src/telemetry/switch-metrics.ts");
  const counted = t.mock.method(SwitchMetrics.prototype, "switchEnded");
  await metrics.load();
  await Promise.resolve();
  assert.equal(counted.mock.callCount(), 1);
});
