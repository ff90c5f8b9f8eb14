/** A second process for the tests of the state folder: `<lock|append|switch> <folder>`; says on stdout what it got. */
import { writeSync } from "node:fs";
import { openFileStore } from "../../../../src/control-plane/switch/file-store.ts";
import { lockStateDir } from "../../../../src/control-plane/switch/state-lock.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { StartError } from "../../../../src/core/errors.ts";
import { newEntry } from "./entries.ts";

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

/** One switch from v1 to v2; every call on the folder is made by then. */
async function switchOnce(): Promise<void> {
  const { store, recovered } = await openFileStore({
    stateDir: folder,
    versions: ["v1", "v2"],
    clock: systemClock,
  });
  const entry = newEntry(recovered.epoch + 1, { from: "v1", to: "v2" });
  const said = await store.append(entry).then(
    () => "switched",
    (error: unknown) => `failed ${String(error)}`,
  );
  writeSync(1, `${said}\n`); // at once: it may be killed at the next call
  await store.release();
}

try {
  await (what === "lock" ? lock() : what === "switch" ? switchOnce() : append());
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.log(`refused ${error.exitCode} ${error.message}`);
}
