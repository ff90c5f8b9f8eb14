/** The daemon itself: primary and workers are all measured. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { groupMembers } from "../../test/support/process-group.ts";
import { programPath, ROOT } from "../place.ts";
import type { Contender, Job } from "./contender.ts";

export const daemon = daemonOf("traffic-switching", ROOT);

/** On documented sockets of Node alone. */
export const daemonOnNodeSockets: Contender = {
  ...daemonOf("engine-node", ROOT, {}, { engine: "node" }),
  about: "server.engine node, else its defaults",
  isExtra: true,
};

/** @param root of the tree it is started from. @param server keys of the config's `server` besides what all have. */
export function daemonOf(
  name: string,
  root: string,
  env: Readonly<Record<string, string>> = {},
  server: object = {},
): Contender {
  return {
    name,
    about: "its defaults; CPU and memory of primary and workers together",
    version: () => "of this commit",
    whyNot: ({ hasAccessLog }) => (hasAccessLog ? "its config has no access log" : undefined),
    prepare: async (job) => {
      const file = join(job.dir, "config.yaml");
      await writeFile(file, JSON.stringify(await configOf(job, server))); // YAML is a superset of JSON
      const args = [programPath("src/main", root), "--config", file];
      return { command: process.execPath, args, env };
    },
  };
}

/** With a young generation of `mebibytes` in every process, through NODE_OPTIONS, which workers inherit. */
export function daemonWithSemiSpace(mebibytes: number): Contender {
  const env = { NODE_OPTIONS: `--max-semi-space-size=${mebibytes}` };
  return {
    ...daemonOf(`semi-space-${mebibytes}`, ROOT, env),
    about: `--max-semi-space-size=${mebibytes} (MiB)`,
    verify: (pid) => assertNoOwnSemiSpace(pid, mebibytes),
  };
}

async function configOf({ port, backendPort, dir, workers }: Job, server: object): Promise<object> {
  return {
    server: { host: "127.0.0.1", port, workers, ...server },
    backends: { v1: `http://127.0.0.1:${backendPort}`, v2: `http://localhost:${backendPort}` },
    active_version: "v1",
    admin: { host: "127.0.0.1", port: await freePort() },
    log: { level: "warn" },
    state_dir: dir,
  };
}

/** A flag on a worker's command line beats NODE_OPTIONS: then this would measure the same thing again and again. */
function assertNoOwnSemiSpace(leader: number, mebibytes: number): void {
  for (const pid of groupMembers(leader)) {
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const own = args.find((arg) => arg.startsWith("--max-semi-space-size"));
    if (own !== undefined && own !== `--max-semi-space-size=${mebibytes}`) {
      throw new Error(
        `process ${pid} was started with ${own}, which beats NODE_OPTIONS: let the daemon leave its own flag out when NODE_OPTIONS has one`,
      );
    }
  }
}
