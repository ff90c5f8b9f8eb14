/** Many connections that have had one answer each and are left alone: what does each of them hold? */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { withLimit } from "../../test/support/wait.ts";
import { cpuSince, cpuUsage, memoryUsage } from "../process-usage.ts";
import type { IdleJob, LoadSample } from "./jobs.ts";

const OPENED_AT_A_TIME = 100;
const ANSWER_LIMIT_MS = 15_000;

export async function runIdle(job: IdleJob): Promise<LoadSample> {
  const sockets: Socket[] = [];
  try {
    await delay(job.settleMs);
    const residentBeforeBytes = memoryUsage(job.pid).residentBytes;
    const before = cpuUsage(job.pid);
    const startMs = performance.now();
    while (sockets.length < job.connections) {
      const many = Math.min(OPENED_AT_A_TIME, job.connections - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: many }, () => openAndAsk(job.port)))));
    }
    const seconds = (performance.now() - startMs) / 1_000;
    const cpu = cpuSince(before, job.pid);
    await delay(job.settleMs);
    const residentBytes = memoryUsage(job.pid).residentBytes;
    const ended = sockets.filter((socket) => socket.readableEnded || socket.destroyed).length;
    if (ended > 0) throw new Error(`${ended} of ${job.connections} idle connections were closed`);
    return { units: job.connections, seconds, cpu, residentBeforeBytes, residentBytes };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function openAndAsk(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let answer = "";
  socket.on("data", (bytes) => {
    answer += bytes.toString("latin1");
    if (!answer.startsWith("HTTP/1.1 200 ".slice(0, answer.length))) {
      reject(new Error(`the answer is ${answer.slice(0, 200)}`));
    } else if (answer.endsWith("\r\n\r\nok") || answer.endsWith("\r\n2\r\nok\r\n0\r\n\r\n")) {
      resolve(socket);
    }
  });
  socket.on("error", reject);
  socket.on("end", () => reject(new Error("the connection was closed")));
  try {
    return await withLimit(promise, ANSWER_LIMIT_MS, "an answer on a new connection");
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
