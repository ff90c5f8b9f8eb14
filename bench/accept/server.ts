/**
 * A trivial HTTP server with several workers, which accept in one of the four ways: `node server.js MODE
 * PORT WORKERS [NOTES_DIR]`. Answers with the worker's pid; replaces a worker that dies at once.
 *
 * With NOTES_DIR each worker writes the client's port of every connection that has reached it into a file
 * named for its pid, so that after its death what it held can be told from what never came to it.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { openSync, writeSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createNetServer, type Server } from "node:net";
import { join } from "node:path";
import { endWithParent } from "../process.ts";
import { isMode, type Mode } from "./modes.ts";

/** To whoever started the primary: the workers that listen, whenever that changes and all do. */
export interface WorkersListen {
  readonly type: "workers";
  readonly pids: readonly number[];
}

/** libuv's TCP handle, which node:net has inside. */
interface TcpHandle {
  bind(address: string, port: number): number;
}

const HOST = "127.0.0.1";
const BACKLOG = 4_096;
const TYPE_SERVER = 1;

async function runPrimary(mode: Mode, port: number, workers: number): Promise<void> {
  endWithParent();
  cluster.schedulingPolicy = mode === "round-robin" ? cluster.SCHED_RR : cluster.SCHED_NONE;
  const handle = mode === "shared-handle" ? await boundHandle(port) : undefined;
  const listening = new Set<number>();
  const fork = (): void => {
    const worker: Worker = cluster.fork();
    const pid = worker.process.pid ?? 0;
    worker.on("online", () => worker.process.send({ type: "listen" }, handle as never));
    worker.on("message", () => {
      listening.add(pid);
      if (listening.size === workers)
        process.send?.({ type: "workers", pids: [...listening] } satisfies WorkersListen);
    });
    worker.on("error", () => undefined); // sending to one that was just killed
    worker.on("exit", () => {
      listening.delete(pid);
      fork();
    });
  };
  for (let index = 0; index < workers; index++) fork();
}

/** Bound, but not listening: the first worker that listens opens the queue, and the primary's copy keeps it. */
async function boundHandle(port: number): Promise<TcpHandle> {
  const server = createNetServer() as Server & { _handle: TcpHandle };
  server.listen(0, HOST);
  await once(server, "listening");
  const Tcp = server._handle.constructor as new (type: number) => TcpHandle;
  server.close();
  const handle = new Tcp(TYPE_SERVER);
  const status = handle.bind(HOST, port);
  if (status !== 0) throw new Error(`bind: ${status}`);
  return handle;
}

function runWorker(mode: Mode, port: number, notesDir: string | undefined): void {
  const server = createServer({ keepAliveTimeout: 60_000 }, (_req, res) => res.end(`${process.pid}`));
  if (notesDir !== undefined) {
    const notes = openSync(join(notesDir, `${process.pid}`), "a");
    server.on("connection", (socket) => writeSync(notes, `${socket.remotePort}\n`));
  }
  server.on("listening", () => process.send?.({ type: "listening" }));
  process.once("message", (_message, handle: unknown) => listen(server, mode, port, handle));
  process.on("disconnect", () => process.exit(0));
}

function listen(server: HttpServer, mode: Mode, port: number, handle: unknown): void {
  if (mode === "shared-handle") server.listen(handle, BACKLOG);
  else server.listen({ port, host: HOST, backlog: BACKLOG, reusePort: mode === "reuse-port" });
}

const [mode, port, workers, notesDir] = process.argv.slice(2);
if (!isMode(mode)) throw new RangeError(`no way to accept is called ${mode}`);
if (cluster.isPrimary) await runPrimary(mode, Number(port), Number(workers));
else runWorker(mode, Number(port), notesDir);
