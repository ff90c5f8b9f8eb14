/**
 * The load driver, in a process of its own: takes jobs over IPC, one at a time, and answers each with one
 * sample. Any answer other than 2xx or of the wrong length, and any broken connection, makes the job fail.
 *
 * It reads the contender's CPU itself, at the borders of the measured window, so that what is counted and
 * what is charged are the same requests.
 */
import { runAutocannon } from "./load/autocannon.ts";
import { runIdle } from "./load/idle.ts";
import type { FromLoad, LoadJob, LoadSample, ToLoad } from "./load/jobs.ts";
import { runShort } from "./load/short.ts";
import { runAb, runWrk } from "./load/tools.ts";
import { runTransfer } from "./load/transfer.ts";
import { runWebSocket } from "./load/websocket.ts";

async function run(job: LoadJob): Promise<LoadSample> {
  switch (job.kind) {
    case "http":
      if (job.tool === "wrk") return await runWrk(job);
      return await (job.isClosing ? runShort(job) : runAutocannon(job));
    case "ab":
      return await runAb(job);
    case "transfer":
      return await runTransfer(job);
    case "idle":
      return await runIdle(job);
    case "websocket":
      return await runWebSocket(job);
  }
}

function isJob(message: unknown): message is ToLoad {
  return typeof message === "object" && message !== null && "type" in message && message.type === "load";
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: unknown) => {
  if (!isJob(message)) return;
  const { id } = message;
  const send = (answer: FromLoad): void => void process.send?.(answer);
  run(message.job).then(
    (sample) => send({ type: "loaded", id, sample }),
    (error: unknown) =>
      send({ type: "failed", id, message: error instanceof Error ? error.message : String(error) }),
  );
});
