/**
 * The lock of the state folder: two daemons never share one. Held by the primary for its whole life.
 *
 * A Unix-domain socket in the folder, because the kernel itself tells whether its owner lives: connecting to a
 * dead one is refused, whatever pid was reused since, also between containers that share a volume, and a
 * stopped owner still counts. It does not reach across machines (NFS).
 *
 * Taking over one fixed name cannot be made free of races, so every daemon binds a name of its own:
 * 1. bind and listen; 2. connect to every other socket of the folder; 3. hold only when none is alive. As each
 * listens before it looks, of two daemons at least one sees the other. Of two that are both still looking, the
 * lower name goes on. Only the holder removes the sockets of the dead: a name is never used twice, so what
 * refused once is dead, or is still before step 1 and will find out at step 3.
 */
import { randomBytes } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { access, chmod, type FileHandle, open, readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../../core/errors.ts";
import { errorCode, errorText } from "./state-fs.ts";

export interface StateLock {
  release(): Promise<void>;
}

const LOCK_NAME = /^\.lock-[0-9a-f]{16}\.sock$/;
/** Room in `sun_path` (unix(7)), with something to spare. */
const MAX_SOCKET_PATH_BYTES = 100;
const ANSWER_TIMEOUT_MS = 1_000;
const LOOK_AGAIN_MS = 20;
const LOOK_LIMIT_MS = 3_000;

type Other =
  | { readonly name: string; readonly state: "dead" | "unsure" }
  | { readonly name: string; readonly state: "looking" | "holding"; readonly pid: number | null }
  | { readonly name: string; readonly state: "unreachable"; readonly code: string };

/** @throws StartError (exit code 1) when another daemon holds the folder, or no lock can be made there. */
export async function lockStateDir(stateDir: string): Promise<StateLock> {
  const folder = await open(stateDir, constants.O_RDONLY | constants.O_DIRECTORY);
  const own = new LockSocket(stateDir, folder);
  try {
    await own.listen();
    await waitUntilAlone(own);
    return own;
  } catch (error) {
    await own.release();
    throw error;
  }
}

/** Looks at the others until none is alive, then holds. */
async function waitUntilAlone(own: LockSocket): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += LOOK_AGAIN_MS) {
    const others = await own.lookAtOthers();
    const living = others.filter(({ state }) => state !== "dead");
    if (living.length === 0) {
      await own.hold();
      return own.removeDead(others);
    }
    const ahead = living.find((other) => isAhead(other, own.name));
    if (ahead !== undefined) throw heldBy(own.stateDir, ahead);
    if (waitedMs >= LOOK_LIMIT_MS) throw heldBy(own.stateDir, living[0]);
    await delay(LOOK_AGAIN_MS);
  }
}

function isAhead(other: Other, ownName: string): boolean {
  if (other.state === "looking") return other.name < ownName;
  return other.state === "holding" || other.state === "unreachable";
}

function heldBy(stateDir: string, other: Other | undefined): StartError {
  const advice = "stop that one, or give this one a state folder of its own (STATE_DIR or state_dir)";
  if (other?.state === "unreachable") {
    const doubt = `whether another daemon uses the state folder ${stateDir} cannot be told`;
    return new StartError(
      `${doubt}: ${other.name} answers ${other.code}; ${advice}, or remove that file when no daemon runs`,
      1,
    );
  }
  const pid = other !== undefined && "pid" in other && other.pid !== null ? ` (pid ${other.pid})` : "";
  return new StartError(`the state folder ${stateDir} is in use by another daemon${pid}; ${advice}`, 1);
}

/** Our own socket in the folder, and the view from it. */
class LockSocket implements StateLock {
  readonly stateDir: string;
  readonly name = `.lock-${randomBytes(8).toString("hex")}.sock`;
  readonly #folder: FileHandle;
  readonly #server: Server;
  readonly #askers = new Set<Socket>();
  #isHolding = false;
  #isReleased = false;

  constructor(stateDir: string, folder: FileHandle) {
    this.stateDir = stateDir;
    this.#folder = folder;
    this.#server = createServer((socket) => this.#answer(socket));
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.on("error", reject); // stays: a connection that fails later is no matter
    this.#server.listen(this.#pathOf(this.name), resolve);
    try {
      await promise;
      await chmod(join(this.stateDir, this.name), 0o600);
    } catch (cause) {
      const failed = `the state folder ${this.stateDir} cannot be locked (${errorText(cause)})`;
      const hint = "set STATE_DIR or state_dir to a writable folder on a local file system";
      throw new StartError(`${failed}; ${hint}`, 1, { cause });
    }
    this.#server.unref();
  }

  async lookAtOthers(): Promise<readonly Other[]> {
    const names = await readdir(this.stateDir);
    const others = names.filter((name) => LOCK_NAME.test(name) && name !== this.name);
    return Promise.all(others.map((name) => ask(name, this.#pathOf(name))));
  }

  /** Fails when our name is gone: a holder that has since ended took us for dead before we listened. */
  async hold(): Promise<void> {
    try {
      await access(join(this.stateDir, this.name));
    } catch (cause) {
      throw new StartError(`the lock in the state folder ${this.stateDir} was removed; start again`, 1, {
        cause,
      });
    }
    this.#isHolding = true;
  }

  async removeDead(others: readonly Other[]): Promise<void> {
    for (const { name } of others) await rm(join(this.stateDir, name), { force: true });
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    // Closing also removes the socket's file, by a path that may lead through the open folder.
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const asker of this.#askers) asker.destroy();
    await closed;
    await this.#folder.close();
  }

  #answer(socket: Socket): void {
    this.#askers.add(socket);
    socket.unref();
    socket.on("error", () => {}); // who asked is gone
    socket.on("close", () => this.#askers.delete(socket));
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
    socket.end(`${this.#isHolding ? "holding" : "looking"} ${process.pid}\n`);
  }

  /** A long path does not fit into a socket address; the open folder gives a short one (proc(5)). */
  #pathOf(name: string): string {
    const path = join(this.stateDir, name);
    const isShort = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
    return isShort || !existsSync("/proc/self/fd") ? path : `/proc/self/fd/${this.#folder.fd}/${name}`;
  }
}

/** Whether the owner of a socket lives. Silence counts as holding: a stopped process may go on. Never rejects. */
function ask(name: string, path: string): Promise<Other> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(path);
    const settle = (other: Other): void => {
      socket.destroy();
      resolve(other);
    };
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => settle({ name, state: "holding", pid: null }));
    socket.on("data", (piece) => {
      text += String(piece);
    });
    socket.on("end", () => {
      const answer = /^(looking|holding) (\d+)\n$/.exec(text);
      if (answer === null) settle({ name, state: "unsure" });
      else settle({ name, state: answer[1] === "holding" ? "holding" : "looking", pid: Number(answer[2]) });
    });
    socket.on("error", (error) => {
      const code = errorCode(error);
      if (code === "ECONNREFUSED" || code === "ENOENT") settle({ name, state: "dead" });
      else if (code === "ECONNRESET" || code === "EPIPE") settle({ name, state: "unsure" });
      else if (code === "EAGAIN")
        settle({ name, state: "holding", pid: null }); // its queue is full
      else settle({ name, state: "unreachable", code });
    });
  });
}
