/**
 * The Unix socket of the admin API as a file: made with its permissions from the first moment, in the place of
 * one that a dead daemon left, never in the place of anything else.
 *
 * Whether a daemon lives behind a socket the kernel knows: connecting to a dead one is refused.
 */
import { randomBytes } from "node:crypto";
import { lstat, rename, rm, stat } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../../core/errors.ts";

export interface SocketPlace {
  /** Absolute. */
  readonly path: string;
  /** The permission bits of the file. */
  readonly mode: number;
}

const ANSWER_TIMEOUT_MS = 1_000;
/** Another daemon that starts has bound its socket a moment before it listens. */
const LOOK_AGAIN_MS = 20;
const CHOOSE = "set another admin.socket (ADMIN_SOCKET)";

/** @throws StartError (exit code 1) that names the path and what to do. */
export async function listenOnSocket(server: Server, { path, mode }: SocketPlace): Promise<void> {
  try {
    await stat(dirname(path)); // bind itself calls a missing folder "not permitted"
    await clearStale(path);
    await listen(server, path, mode);
  } catch (error) {
    throw error instanceof StartError ? error : cannotListen(path, errorCode(error), error);
  }
}

/**
 * Takes a dead socket away; rejects for whatever else lies there.
 *
 * Two daemons may do this at once, and one may listen already when the other still takes the socket for dead.
 * So it is renamed first and asked again under a name that only we know: a living one is put back.
 */
async function clearStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isSocket()) {
    throw refusal(path, `something else lies there, which is left alone; remove it, or ${CHOOSE}`);
  }
  if (await isAlive(path)) throw inUse(path);
  const aside = join(dirname(path), `.${randomBytes(3).toString("hex")}`); // short: it is connected to as well
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return; // another was quicker; whose the path is, bind will tell
    throw error;
  }
  if (await isAlive(aside)) {
    await rename(aside, path);
    throw inUse(path);
  }
  await rm(aside, { force: true });
}

/** Silence counts as life: a stopped process may go on. */
async function isAlive(path: string): Promise<boolean> {
  if (await answers(path)) return true;
  await delay(LOOK_AGAIN_MS);
  return answers(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const settle = (isAlive: boolean): void => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.on("error", (error) => {
      const code = errorCode(error);
      if (code === "ECONNREFUSED" || code === "ENOENT") settle(false);
      else if (code === "EAGAIN")
        settle(true); // its queue is full
      else reject(error);
    });
  });
}

/** Binds with the mode as the file's own: a chmod after it would come too late for whoever is quick. */
function listen(server: Server, path: string, mode: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const before = process.umask(0o777 & ~mode);
    try {
      // In the primary the file is there when this returns.
      server.listen({ path }, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function inUse(path: string): StartError {
  return refusal(path, `another process listens there; end it, or ${CHOOSE}`);
}

function cannotListen(path: string, code: string, cause: unknown): StartError {
  const what: Record<string, string> = {
    EADDRINUSE: `another process was quicker to listen there; end it, or ${CHOOSE}`,
    EACCES: `not permitted; this user must be able to write to its folder, or ${CHOOSE}`,
    EPERM: `not permitted; this user must be able to write to its folder, or ${CHOOSE}`,
    EROFS: `its folder is read-only; ${CHOOSE}`,
    ENOENT: `its folder does not exist; make it, or ${CHOOSE}`,
    ENOTDIR: `a part of the path is not a folder; ${CHOOSE}`,
  };
  return refusal(path, what[code] ?? (code || String(cause)), cause);
}

function refusal(path: string, why: string, cause?: unknown): StartError {
  return new StartError(`the admin API cannot listen on ${path}: ${why}`, 1, { cause });
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
