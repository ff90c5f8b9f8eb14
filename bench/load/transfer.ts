/** One large body over one connection, straight on the socket, so that the client costs little. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { withLimit } from "../../test/support/wait.ts";
import { cpuSince, cpuUsage } from "../process-usage.ts";
import { type LoadSample, limitOf, type TransferJob } from "./jobs.ts";

const PIECE = Buffer.alloc(64 * 1024, "x");
const HEAD_END = "\r\n\r\n";

/** The first one warms up. */
export async function runTransfer(job: TransferJob): Promise<LoadSample> {
  await transfer(job);
  const before = cpuUsage(job.pid);
  const startMs = performance.now();
  await transfer(job);
  const seconds = (performance.now() - startMs) / 1_000;
  return { units: job.bytes / 2 ** 30, seconds, cpu: cpuSince(before, job.pid) };
}

/** @throws Error unless the answer is 200 and, of a download, its body is as long as it should be. */
async function transfer(job: TransferJob): Promise<void> {
  const { direction, path, port, bytes } = job;
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  try {
    const answer = readAnswer(socket);
    answer.catch(() => undefined); // awaited below, once all is sent
    const upload = direction === "upload";
    const head = upload
      ? `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Length: ${bytes}\r\n\r\n`
      : `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
    socket.write(head);
    if (upload) await Promise.race([sendBody(socket, bytes), answer.then(assertEarly)]);
    const bodyBytes = await withLimit(answer, limitOf(job) / 2, `the answer to a ${direction}`);
    if (!upload && bodyBytes !== bytes) throw new Error(`the answer has ${bodyBytes} bytes, not ${bytes}`);
  } finally {
    socket.destroy();
  }
}

function assertEarly(): never {
  throw new Error("the answer came before the upload had ended");
}

async function sendBody(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= PIECE.length) {
    const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
    if (!socket.write(piece)) await once(socket, "drain");
  }
}

/** @returns how many bytes the body of the answer had. */
async function readAnswer(socket: Socket): Promise<number> {
  let head = "";
  let isHeadRead = false;
  let length = 0;
  let got = 0;
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    if (isHeadRead) {
      got += bytes.length;
    } else {
      head += bytes.toString("latin1");
      const end = head.indexOf(HEAD_END);
      if (end < 0) continue;
      isHeadRead = true;
      if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`the answer is ${head.slice(0, 200)}`);
      length = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? Number.NaN);
      if (Number.isNaN(length)) throw new Error(`the answer has no Content-Length: ${head.slice(0, end)}`);
      got = head.length - end - HEAD_END.length;
    }
    if (got >= length) return got;
  }
  throw new Error("the connection ended before the answer");
}
