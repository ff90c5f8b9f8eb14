/** Small requests of the bench of the start: cheap enough to be sent every few milliseconds beside what is measured. */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 3;
const LIMIT_MS = 15_000;
const request = (path: string, connection: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: ${connection}\r\n\r\n`;

/** @returns when, by performance.now(), the first 200 came. @throws Error after 15 s. */
export async function firstGood(port: number, path: string, isRunning: () => boolean): Promise<number> {
  const endMs = performance.now() + LIMIT_MS;
  while (performance.now() < endMs && isRunning()) {
    if ((await statusOf(port, path)) === 200) return performance.now();
    await delay(POLL_MS);
  }
  throw new Error(`no 200 of ${path} within ${LIMIT_MS} ms`);
}

/** @returns a connection that has had its answer and stays open. */
export async function openIdle(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined); // the end of the daemon
  socket.write(request("/", "keep-alive"));
  await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
  return socket;
}

/** 0: nobody listens, or it was closed without an answer. */
function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(LIMIT_MS, () => socket.destroy());
    socket.on("error", () => resolve(0)).on("close", () => resolve(0));
    socket.once("data", (start: Buffer) => {
      resolve(Number(start.toString("latin1").split(" ")[1]));
      socket.destroy();
    });
    socket.write(request(path, "close"));
  });
}
