/**
 * The simulation can fail: for each promise the sources are broken in a copy, in one place, and the simulation must
 * find out, naming that promise. A mutant whose place is no longer there is an error: it would prove nothing.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { tempDir } from "../support/temp-dir.ts";
import { INVARIANTS } from "./truth.ts";

interface Mutant {
  readonly breaks: string;
  readonly how: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const SWITCH = "control-plane/switch";
const MUTANTS: readonly Mutant[] = [
  {
    breaks: INVARIANTS.allOrNone,
    how: "one worker that passes the gate is enough",
    file: `${SWITCH}/gate`,
    from: "if (workers.every(({ passed }) => passed))",
    to: "if (workers.some(({ passed }) => passed))",
  },
  {
    breaks: INVARIANTS.allOrNone,
    how: "workers are told before the disk has it",
    file: `${SWITCH}/machine`,
    from: 'return this.#stage.emit({ type: "persist", entry });',
    to: `const snapshot = { activeVersion: run.move.to, epoch: this.#snapshot.epoch + 1 };
         const order = { type: "apply-snapshot", snapshot, drain: this.#stage.limits.drain, release: null };
         this.#stage.tell(this.#stage.workers.keys(), order);
         return this.#stage.emit({ type: "persist", entry });`,
  },
  {
    breaks: INVARIANTS.afterAnswer,
    how: "the answer does not wait for every acknowledgement",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "commit" && this.#acks?.isComplete !== true)',
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "a worker that is merely not done yet is killed",
    file: `${SWITCH}/switch-run`,
    from: "this.#ask(this.#stage.limits.commitTimeoutMs);",
    to: "this.#ask(0);",
  },
  {
    breaks: INVARIANTS.noLoss,
    how: "time is looked at before what has come in time is read",
    file: `${SWITCH}/machine`,
    from: "return this.#stage.takeEffects();",
    to: "this.#passTime(); return this.#stage.takeEffects();",
  },
  {
    breaks: INVARIANTS.recovery,
    how: "the entry is not synced",
    file: `${SWITCH}/history-file`,
    from: "await handle.sync();",
    to: "",
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "after a restart it is measured by the wall clock",
    file: `${SWITCH}/cooldown`,
    from: "entry.clock.boot_id === bootId && bootId !== UNKNOWN_BOOT",
    to: "false",
  },
  {
    breaks: INVARIANTS.coolDown,
    how: "it refuses rollbacks",
    file: `${SWITCH}/machine`,
    from: 'if (remainingMs > 0 && !move.force && move.trigger === "switch")',
    to: "if (remainingMs > 0 && !move.force)",
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "keys do not outlive a restart",
    file: `${SWITCH}/machine`,
    from: "this.#rememberKeys(recovered.entries);",
    to: "",
  },
  {
    breaks: INVARIANTS.idempotency,
    how: "an expectation is not looked at",
    file: `${SWITCH}/move`,
    from: "if (isMet)",
    to: "if (true)",
  },
  {
    breaks: INVARIANTS.history,
    how: "entries are not tied to the one before",
    file: `${SWITCH}/history-entry`,
    from: 'prev: previous?.hash ?? ""',
    to: 'prev: ""',
  },
  {
    breaks: INVARIANTS.history,
    how: "a changed line is not looked for",
    file: `${SWITCH}/history-entry`,
    from: "if (hashOf(rest) !== hash)",
    to: "if (hash === rest)",
  },
  {
    breaks: INVARIANTS.hold,
    how: "the commit does not wait until every worker holds",
    file: `${SWITCH}/switch-run`,
    from: "if (this.#acks?.isComplete !== true)",
    to: 'if (this.#phase !== "hold" && this.#acks?.isComplete !== true)',
  },
  {
    breaks: INVARIANTS.hold,
    how: "a worker whose hold runs out goes back to the old version",
    file: "data-plane/switch-orders",
    from: "hold.begin(order.hold, order.holdMs, () => this.#takeUp(order.next));",
    to: "hold.begin(order.hold, order.holdMs);",
  },
];

/** The tree that this file runs from: the sources, or what was compiled from them. */
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";
const SEEDS = 3_000;

for (const mutant of MUTANTS) {
  test(`the simulation finds out when ${mutant.how} (${mutant.breaks})`, async (t) => {
    const tree = await copyTree(t);
    const path = join(tree, "src", `${mutant.file}.${EXTENSION}`);
    const text = await readFile(path, "utf8");
    assert.ok(text.includes(mutant.from), `${mutant.file} no longer has ${JSON.stringify(mutant.from)}`);
    await writeFile(
      path,
      text.replaceAll(mutant.from, () => mutant.to),
    );
    const output = await simulate(tree);
    assert.ok(output.includes(`: ${mutant.breaks}: `), output.slice(-3_000));
  });
}

/** What the simulation needs, in a folder of its own. */
async function copyTree(t: TestContext): Promise<string> {
  const tree = await tempDir(t);
  await cp(join(ROOT, "src"), join(tree, "src"), { recursive: true });
  await mkdir(join(tree, "test"));
  for (const part of ["simulation", "support", "load"]) {
    await cp(join(ROOT, "test", part), join(tree, "test", part), { recursive: true });
  }
  const home = EXTENSION === "ts" ? ROOT : join(ROOT, "..");
  await symlink(join(home, "node_modules"), join(tree, "node_modules"));
  await writeFile(join(tree, "package.json"), '{"type":"module"}');
  return tree;
}

/** Until the first seed that fails. */
function simulate(tree: string): Promise<string> {
  const script = join(tree, "test/simulation", `run.${EXTENSION}`);
  return new Promise((resolve) => {
    execFile(process.execPath, [script, "--seeds", String(SEEDS), "--first"], (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}
