/** Clients: how many of each kind of load run at once. */
import { eventStreams } from "./events.ts";
import type { Load } from "./load.ts";
import { keptAlive, shortConnections, uploads } from "./requests.ts";
import { webSockets } from "./sockets.ts";

const CLIENTS: readonly {
  readonly count: number;
  readonly run: (load: Load, name: number) => Promise<void>;
}[] = [
  { count: 32, run: keptAlive },
  { count: 4, run: shortConnections },
  { count: 4, run: uploads },
  { count: 8, run: eventStreams },
  { count: 8, run: webSockets },
];

/** @returns settles when all have ended, some 10 s after `load.isEnding` at the latest. */
export async function runClients(load: Load): Promise<void> {
  const running = CLIENTS.flatMap(({ count, run }) =>
    Array.from({ length: count }, (_, i) => run(load, i + 1)),
  );
  await Promise.all(running);
}
