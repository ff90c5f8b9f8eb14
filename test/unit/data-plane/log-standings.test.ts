/** What the log says of backends that change their state. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StandingLog } from "../../../src/data-plane/log-standings.ts";
import { MOST_CHANGES, TELL_EVERY_MS } from "../../../src/telemetry/change-sums.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function startLog() {
  const lines: [level: string, fields: object, sentence: string][] = [];
  const clock = new ManualClock();
  const log = {
    info: (fields: object, sentence: string) => void lines.push(["info", fields, sentence]),
    warn: (fields: object, sentence: string) => void lines.push(["warn", fields, sentence]),
  };
  return { clock, lines, standings: new StandingLog(log as never, clock) };
}

const A = { version: "v1", name: "http://a" };

test("a change is one line that names the backend, a bad one as a warning", () => {
  const { lines, standings } = startLog();
  standings.onStanding(A, "unreachable");
  standings.onStanding(A, "reachable");
  const fields = { version: "v1", backend: "http://a", count: 1 };
  assert.deepEqual(lines, [
    ["warn", fields, "backend unreachable: it takes nothing until a connection to it opens"],
    ["info", fields, "backend reachable again"],
  ]);
});

test("a backend that flaps is a line of each kind every 10 s, with how often", () => {
  const { clock, lines, standings } = startLog();
  for (let i = 0; i < 100; i++) {
    standings.onStanding(A, "ejected");
    standings.onStanding(A, "restored");
  }
  assert.equal(lines.length, 2);
  clock.advance(TELL_EVERY_MS);
  standings.tick();
  assert.deepEqual(
    lines.slice(2).map(([, fields]) => (fields as { count: number }).count),
    [99, 99],
  );
});

test("more backends than are told one by one are counted", () => {
  const { lines, standings } = startLog();
  for (let i = 0; i < MOST_CHANGES + 7; i++)
    standings.onStanding({ version: "v1", name: `http://${i}` }, "unreachable");
  standings.tick();
  const last = lines.at(-1);
  assert.deepEqual(last, ["warn", { count: 7 }, "more backends have changed than are told one by one"]);
});
