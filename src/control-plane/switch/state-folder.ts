/**
 * The state folder before anything in it is read: made when missing, and refused when it cannot be used.
 *
 * Runs in the primary, once at start. Takes no lock and opens no file.
 */
import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { StartError } from "../../core/errors.ts";
import { isMountPoint } from "./mount-point.ts";
import { errorText } from "./state-fs.ts";
import { VERSION_FILE } from "./version-file.ts";

/** @throws StartError (exit code 1) when the folder cannot be made or written, or `.version` is a mount. */
export async function ensureFolder(stateDir: string): Promise<void> {
  const hint = "set STATE_DIR or state_dir to a writable folder";
  try {
    await makeFolder(stateDir);
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

/**
 * With the folders above it. Not mkdir's own `recursive`: it tries for ever where a file system says ENOENT although
 * the folder above is there, as /proc does.
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) {
      await makeFolder(dirname(path));
      await mkdir(path);
    } else if (!(await isFolder(path))) throw error;
  }
}

/** False when it cannot be told; EROFS, EACCES and EEXIST all can mean that it is there already. */
async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
