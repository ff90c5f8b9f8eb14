/** The daemon itself with one worker: primary and worker are both measured. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { groupMembers } from "../../test/support/process-group.ts";
import { programPath } from "../place.ts";
import type { Contender } from "./contender.ts";

export const daemon = createDaemon("traffic-switching", {});

/** With a young generation of `mebibytes` in every process, through NODE_OPTIONS, which workers inherit. */
export function daemonWithSemiSpace(mebibytes: number): Contender {
  return {
    ...createDaemon(`semi-space-${mebibytes}`, { NODE_OPTIONS: `--max-semi-space-size=${mebibytes}` }),
    about: `one worker, --max-semi-space-size=${mebibytes} (MiB)`,
    verify: (pid) => assertNoOwnSemiSpace(pid, mebibytes),
  };
}

function createDaemon(name: string, env: Readonly<Record<string, string>>): Contender {
  return {
    name,
    about: "one worker; CPU and memory of primary and worker together",
    version: () => "of this commit",
    prepare: async ({ port, backendPort, dir }) => {
      const backend = `http://127.0.0.1:${backendPort}`;
      const config = {
        server: { host: "127.0.0.1", port, workers: 1 },
        backends: { v1: backend, v2: `http://localhost:${backendPort}` },
        active_version: "v1",
        admin: { host: "127.0.0.1", port: await freePort() },
        log: { level: "warn" },
        state_dir: dir,
      };
      const file = join(dir, "config.yaml");
      await writeFile(file, JSON.stringify(config)); // YAML is a superset of JSON
      return { command: process.execPath, args: [programPath("src/main"), "--config", file], env };
    },
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
