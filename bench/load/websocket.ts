/** WebSocket messages: on each connection one at a time, sent, echoed by the backend, checked, sent again. */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { withLimit } from "../../test/support/wait.ts";
import { cpuSince, cpuUsage } from "../process-usage.ts";
import { latencyOf } from "./autocannon.ts";
import { maskedFrame, plainFrame } from "./frames.ts";
import type { LoadSample, WebSocketJob } from "./jobs.ts";

const MASK = [0x12, 0x34, 0x56, 0x78] as const;
const UPGRADE_LIMIT_MS = 5_000;
const UPGRADE = [
  "GET / HTTP/1.1",
  "Host: bench",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

export async function runWebSocket(job: WebSocketJob): Promise<LoadSample> {
  const payload = Buffer.alloc(job.messageBytes, "x");
  const [message, echo] = [maskedFrame(payload, MASK), plainFrame(payload)];
  const latenciesMs: number[] = [];
  const failures: Error[] = [];
  let isCounting = false;
  const sockets = await Promise.all(Array.from({ length: job.connections }, () => upgrade(job.port)));
  try {
    for (const socket of sockets) {
      const fail = (why: string): void => void failures.push(new Error(why));
      socket.on("error", ({ message: why }) => fail(why)).on("end", () => fail("a connection was closed"));
      startTalking(socket, { message, echo, fail }, (latencyMs) => {
        if (isCounting) latenciesMs.push(latencyMs);
      });
    }
    await delay(job.warmUpMs);
    const before = cpuUsage(job.pid);
    const startMs = performance.now();
    isCounting = true;
    await delay(job.durationMs);
    isCounting = false;
    const seconds = (performance.now() - startMs) / 1_000;
    const cpu = cpuSince(before, job.pid);
    const [failure] = failures;
    if (failure) throw failure;
    if (latenciesMs.length === 0) throw new Error("not one message came back");
    return { units: latenciesMs.length, seconds, cpu, latency: latencyOf(latenciesMs) };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

interface Talk {
  readonly message: Buffer;
  readonly echo: Buffer;
  fail(why: string): void;
}

function startTalking(socket: Socket, { message, echo, fail }: Talk, onEcho: (ms: number) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  let sentAtMs = performance.now();
  socket.on("data", (bytes) => {
    rest = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
    if (rest.length < echo.length) return;
    if (!rest.equals(echo)) return fail("what came back is not the message");
    rest = Buffer.alloc(0);
    const nowMs = performance.now();
    onEcho(nowMs - sentAtMs);
    sentAtMs = nowMs;
    socket.write(message);
  });
  socket.write(message);
}

async function upgrade(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let answer = "";
  const read = (bytes: Buffer): void => {
    answer += bytes.toString("latin1");
    if (!answer.endsWith("\r\n\r\n")) return;
    if (answer.startsWith("HTTP/1.1 101 ")) resolve(socket);
    else reject(new Error(`the answer to an upgrade is ${answer.slice(0, 200)}`));
  };
  socket.on("data", read).on("error", reject);
  socket.write(UPGRADE);
  try {
    return await withLimit(promise, UPGRADE_LIMIT_MS, "101 to an upgrade", () => answer);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    socket.off("data", read).off("error", reject);
  }
}
