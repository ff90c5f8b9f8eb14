/** The smoke run: does what the demo prints, restarts the daemon in between, and says which step failed. */
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../core/errors.ts";
import { call } from "../own-daemon/call.ts";
import { bodyOf, curlLine, STEPS, type Step, type Urls } from "./steps.ts";

const COOL_DOWN_LIMIT_MS = 20_000;
const POLL_MS = 250;

/**
 * @param restart ends the daemon and starts it again; it must come back on the version it left.
 * @throws StartError naming the first step that did not end as it says.
 */
export async function runSmoke(
  urls: Urls,
  restart: () => Promise<void>,
  print: (line: string) => void,
): Promise<void> {
  let restarts = 0;
  for (const [index, step] of STEPS.entries()) {
    await runStep(step, urls);
    print(`ok ${index + 1} - ${step.says}`);
    if (step.path === "/switch" && step.expect.status === 200) {
      await restart();
      restarts++;
      const { body } = await call({ method: "GET", url: `${urls.proxy}/hello` });
      if (!body.includes('"version":"v2"')) {
        throw new StartError(`after a restart the daemon no longer serves v2: ${body}`, 1);
      }
      print("ok   - restarted, and still on v2");
    }
  }
  print(`${STEPS.length + restarts} steps passed`);
}

async function runStep(step: Step, urls: Urls): Promise<void> {
  const { method, to, path, expect } = step;
  const body = bodyOf(step, urls);
  const endMs = performance.now() + COOL_DOWN_LIMIT_MS;
  const ask = () => call({ method, url: `${urls[to]}${path}`, ...(body ? { body } : {}) });
  let answer = await ask();
  while (step.isAfterCoolDown && answer.status === 429 && performance.now() < endMs) {
    await delay(POLL_MS);
    answer = await ask();
  }
  const missing = expect.holds.filter((text) => !answer.body.includes(text));
  if (answer.status === expect.status && missing.length === 0) return;
  throw new StartError(
    `"${step.says}" failed: ${curlLine(step, urls)}\n` +
      `expected ${expect.status} with ${expect.holds.join(" and ")}, got ${answer.status}: ${answer.body}`,
    1,
  );
}
