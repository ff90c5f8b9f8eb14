/**
 * A loopback port that nobody listens on, for a process that must be told its port.
 *
 * Taken from below the range that Linux gives to outgoing connections, so that no client of a test running
 * beside this one can be on it by chance, and given to one process of tests at a time: a daemon that is restarted on it
 * must find it free. What can listen on port 0 should.
 */
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LOWEST = 10_000;
const HIGHEST = 32_000;
const ATTEMPTS = 100;

/** Never given twice by one process. */
const given = new Set<number>();
/** One file for each port that is given, with the id of its process; of one that has ended it says nothing. */
const RESERVED = join(tmpdir(), "traffic-switching-ports");
process.once("exit", () => {
  for (const port of given) rmSync(join(RESERVED, String(port)), { force: true });
});

/** @throws Error when 100 ports in a row were taken. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port) || !reserve(port)) continue;
    given.add(port);
    if (!(await isPortFree(port))) continue;
    return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} in ${ATTEMPTS} attempts`);
}

/** @returns false: it is another process's. */
function reserve(port: number): boolean {
  const file = join(RESERVED, String(port));
  mkdirSync(RESERVED, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch {
    if (isAlive(ownerOf(file))) return false;
    writeFileSync(file, String(process.pid));
  }
  return true;
}

/** 0: it has just been given back. */
function ownerOf(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Whether `port` of 127.0.0.1 could be listened on just now. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
