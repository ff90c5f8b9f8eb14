/**
 * The Unix socket of the admin API as a file: made with its permissions from the first moment, in the place of
 * one that a dead daemon left, never in the place of anything else.
 *
 * Whether a daemon lives behind a socket the kernel knows: connecting to a dead one is refused.
 */
import { randomBytes } from "node:crypto";
import { lstatSync, rmSync } from "node:fs";
import { link, lstat, rename, rm, stat } from "node:fs/promises";
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
/** A daemon of an older build has bound its socket a moment before it listens. */
const LOOK_AGAIN_MS = 20;
/** Whoever takes our path for dead and away does so within this time, or puts it back. */
const SETTLED_MS = 50;
/** Dead sockets that may be found one after the other. */
const MOST_TURNS = 10;
const CHOOSE = "set another admin.socket (ADMIN_SOCKET)";

/**
 * Listens under a name that only we know, and then gives the socket its path: so whatever has the path listens, and
 * giving it (link(2)) fails where something lies. Closing the server takes the path away, when it is still ours.
 *
 * @throws StartError (exit code 1) that names the path and what to do.
 */
export async function listenOnSocket(server: Server, { path, mode }: SocketPlace): Promise<void> {
  const beside = nameBeside(path);
  try {
    await stat(dirname(path)); // bind itself calls a missing folder "not permitted"
    await refuseOther(path);
    await listen(server, beside, mode);
    const { ino } = await lstat(beside);
    server.once("close", () => removeOwn(path, ino));
    await publish(beside, path);
    await delay(SETTLED_MS);
    if ((await inodeOf(path)) !== ino) throw inUse(path); // whoever took it for dead had looked before we came
  } catch (error) {
    server.close();
    throw error instanceof StartError ? error : cannotListen(path, errorCode(error), error);
  } finally {
    await rm(beside, { force: true });
  }
}

/** Gives the socket its path, in the place of a dead one, but of nothing else. */
async function publish(beside: string, path: string): Promise<void> {
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    try {
      return await link(beside, path);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    await refuseOther(path);
    await removeDead(path);
  }
  throw inUse(path);
}

/** Rejects for whatever lies there but a dead socket. */
async function refuseOther(path: string): Promise<void> {
  const found = await lstat(path).catch(nothingThere);
  if (found === null) return;
  if (!found.isSocket()) {
    throw refusal(path, `something else lies there, which is left alone; remove it, or ${CHOOSE}`);
  }
  if (await isAlive(path)) throw inUse(path);
}

/**
 * Several daemons may do this at once, and one may have the path already when another still takes it for dead: so it
 * is renamed first and asked again under a name that only we know. A living one is put back, over nothing.
 */
async function removeDead(path: string): Promise<void> {
  const aside = nameBeside(path);
  try {
    await rename(path, aside);
  } catch (error) {
    return void nothingThere(error); // another was quicker
  }
  const isLiving = await isAlive(aside);
  if (isLiving) await link(aside, path).catch(() => {}); // it finds out that it has lost its path
  await rm(aside, { force: true });
  if (isLiving) throw inUse(path);
}

/** Short: it is connected to as well. */
function nameBeside(path: string): string {
  return join(dirname(path), `.${randomBytes(3).toString("hex")}`);
}

function nothingThere(error: unknown): null {
  if (errorCode(error) === "ENOENT") return null;
  throw error;
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await lstat(path).catch(nothingThere))?.ino;
}

function removeOwn(path: string, ino: number): void {
  try {
    if (lstatSync(path).ino === ino) rmSync(path);
  } catch {
    // somebody has removed it
  }
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
