/**
 * A loopback port that nobody listens on, for a process that must be told its port.
 *
 * Taken from below the range that Linux gives to outgoing connections, so that no client of a test running
 * beside this one can be on it by chance. Not reserved: bind it soon. What can listen on port 0 should.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const LOWEST = 10_000;
const HIGHEST = 32_000;
const ATTEMPTS = 100;

/** Never given twice by one process. */
const given = new Set<number>();

/** @throws Error when 100 ports in a row were taken. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port) || !(await isPortFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} in ${ATTEMPTS} attempts`);
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
