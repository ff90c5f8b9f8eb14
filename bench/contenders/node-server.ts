/** For the contenders that are Node programs: `start` here with one worker, else in so many processes of a cluster. */
import cluster from "node:cluster";
import { endWithParent } from "../process.ts";

/** Longer than a case leaves a connection alone; node:http's own default is 5 s. */
export const KEEP_ALIVE_MS = 120_000;

export interface Arguments {
  readonly port: number;
  readonly backendPort: number;
  readonly mode: string;
}

/** `node PROGRAM PORT BACKEND_PORT WORKERS [MODE]` */
export async function serve(start: (args: Arguments) => void | Promise<void>): Promise<void> {
  const [port = 0, backendPort = 0, workers = 1] = process.argv.slice(2, 5).map(Number);
  if (workers > 1 && cluster.isPrimary) {
    endWithParent();
    for (let worker = 0; worker < workers; worker++) cluster.fork();
    cluster.on("exit", () => process.exit(1)); // the bench sees it
    return;
  }
  if (cluster.isPrimary) endWithParent();
  await start({ port, backendPort, mode: process.argv[5] ?? "" });
}
