/** Promises that hold whichever engine carries the connections, see `server.engine`. */
import { type TestContext, type TestOptions, test } from "node:test";
import type { Engine } from "../../src/data-plane/sockets/open-transport.ts";

export const ENGINES: readonly Engine[] = ["auto", "node"];

/** What the daemons of tests run on: `TEST_ENGINE=node` takes every suite that starts one over the other way. */
export function engineOfDaemons(): Engine {
  const { TEST_ENGINE: given } = process.env;
  const engine = given === undefined ? "auto" : ENGINES.find((one) => one === given);
  if (engine === undefined)
    throw new Error(`TEST_ENGINE is ${given}: set it to one of ${ENGINES.join(", ")}`);
  return engine;
}

const engines = new WeakMap<TestContext, Engine>();

/** Like `test` of node:test, once for each engine; `engineOf(t)` says for which. */
export function testEngines(
  name: string,
  options: TestOptions,
  run: (t: TestContext) => void | Promise<void>,
): void {
  for (const engine of ENGINES) {
    void test(`${name} (engine ${engine})`, options, (t) => {
      engines.set(t, engine);
      return run(t);
    });
  }
}

export function engineOf(t: TestContext): Engine {
  const engine = engines.get(t);
  if (engine === undefined) throw new Error("no engine: start the test with testEngines");
  return engine;
}
