/**
 * The state folder before anything in it is read: made when missing, and refused when it cannot be used.
 *
 * Runs in the primary, once at start. Takes no lock and opens no file.
 */
import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { StartError } from "../../core/errors.ts";
import { isMountPoint } from "./mount-point.ts";
import { errorText } from "./state-fs.ts";
import { VERSION_FILE } from "./version-file.ts";

/** @throws StartError (exit code 1) when the folder cannot be made or written, or `.version` is a mount. */
export async function ensureFolder(stateDir: string): Promise<void> {
  const hint = "set STATE_DIR or state_dir to a writable folder";
  try {
    await mkdir(stateDir, { recursive: true });
  } catch (cause) {
    const failed = `the state folder ${stateDir} cannot be created (${errorText(cause)})`;
    throw new StartError(`${failed}; ${hint}`, 1, { cause });
  }
  try {
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const failed = `the state folder ${stateDir} is not writable (${errorText(cause)})`;
    throw new StartError(`${failed}; ${hint}`, 1, { cause });
  }
  if (await isMountPoint(stateDir, VERSION_FILE)) {
    const failed = `${stateDir}/${VERSION_FILE} is mounted as a single file, which cannot be replaced atomically`;
    throw new StartError(`${failed}; mount the folder that holds it instead`, 1);
  }
}
