/** The whole suite against our own daemon; `npm run conformance` runs it against others too. */
import { after, test } from "node:test";
import { CASES } from "./cases.ts";
import { DEFAULT_CASE_LIMIT_MS } from "./run-case.ts";
import { Stage } from "./stage.ts";
import { daemon } from "./targets/daemon.ts";

const stage = await new Stage({ after }, daemon).open();
/** For starting the daemon, and for it to be itself again after a case. */
const AROUND_MS = 25_000;

for (const one of CASES) {
  const timeout = (one.limitMs ?? DEFAULT_CASE_LIMIT_MS) + AROUND_MS;
  test(`${one.promise}: ${one.says}`, { timeout }, () => stage.run(one));
}
