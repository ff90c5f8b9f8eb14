/**
 * Connection gate, in a worker: counts the clients' connections here, or asks the primary, who counts for all workers.
 */
import { ConnectionCount, isCountedTogether } from "../../core/connection-count.ts";
import { looseShareOf, shareOf } from "../../core/share.ts";
import type { Channel } from "../../ipc/channel.ts";
import type { FromWorker, StartOrder, ToWorker } from "../../ipc/messages.ts";
import type { ConnectionGate } from "./http-listener.ts";

/** How long a connection waits for the primary to count it. One that does not answer keeps nobody out. */
const ENTER_LIMIT_MS = 1_000;

export function connectionGate(
  { config: { server }, index, workers }: Pick<StartOrder, "config" | "index" | "workers">,
  channel: Pick<Channel<FromWorker, ToWorker>, "ask" | "send">,
): ConnectionGate {
  const share = { index, workers };
  if (!isCountedTogether(server, workers)) {
    return new ConnectionCount({
      total: looseShareOf(server.maxConnections, share),
      perClient: shareOf(server.maxConnectionsPerClient, share),
    });
  }
  return {
    enter: async (address) => {
      const answer = await channel.ask<ToWorker & { type: "entered" }>(
        (id) => ({ type: "enter", id, address }),
        ENTER_LIMIT_MS,
      );
      return answer === null ? "uncounted" : answer.limit;
    },
    leave: (address) => channel.send({ type: "leave", address }),
  };
}
