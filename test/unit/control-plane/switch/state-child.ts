/** A second process for the tests of the state folder: `<lock|append|switch|drain> <folder>`; says on stdout what it got. */
import { writeSync } from "node:fs";
import { withStep } from "../../../../src/control-plane/pools/changes.ts";
import { openFileStore } from "../../../../src/control-plane/switch/file-store.ts";
import { lockStateDir } from "../../../../src/control-plane/switch/state-lock.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { newBackendsEntry, newEntry } from "./entries.ts";

/** What `drain` drains. */
const DRAINED = "http://10.0.0.2:9000";

const [what = "", folder = ""] = process.argv.slice(2);

async function lock(): Promise<void> {
  await lockStateDir(folder);
  console.log("holding");
  setInterval(() => {}, 60_000); // until it is killed
}

/** Switches until a write fails. */
async function append(): Promise<void> {
  const { store, recovered } = await openFileStore({
    stateDir: folder,
    versions: ["v1", "v2"],
    clock: systemClock,
  });
  for (let epoch = recovered.epoch + 1; epoch <= 20; epoch++) {
    try {
      await store.append(newEntry(epoch));
      console.log(`switched ${epoch}`);
    } catch (error) {
      console.log(`failed ${epoch} ${String(error)}`);
      break;
    }
  }
  await store.release();
}

/** One switch from v1 to v2, or one change of backends; every call on the folder is made by then. */
async function changeOnce(): Promise<void> {
  const { store, recovered, changes } = await openFileStore({
    stateDir: folder,
    versions: ["v1", "v2"],
    clock: systemClock,
  });
  const switchOver = async (): Promise<string> => {
    await store.append(newEntry(recovered.epoch + 1, { from: "v1", to: "v2" }));
    return "switched";
  };
  const drain = async (): Promise<string> => {
    const entry = newBackendsEntry(DRAINED);
    const after = withStep(changes, { version: "v1", backend: DRAINED, inForce: entry.in_force });
    await store.appendBackends(entry, { before: changes, after });
    return "drained";
  };
  const said = await (what === "drain" ? drain() : switchOver()).catch(
    (error: unknown) => `failed ${String(error)}`,
  );
  writeSync(1, `${said}\n`); // at once: it may be killed at the next call
  await store.release();
}

try {
  await (what === "lock" ? lock() : what === "append" ? append() : changeOnce());
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.log(`refused ${error.exitCode} ${error.message}`);
}
