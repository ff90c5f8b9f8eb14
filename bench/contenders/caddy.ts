/** Caddy, when it is installed: its reverse_proxy, without TLS, on GOMAXPROCS threads. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath, firstLineOf } from "../process.ts";
import { type Contender, type Job, mostBackendConnections } from "./contender.ts";

const program = findOnPath("caddy");

export const caddy: Contender = {
  name: "caddy",
  about: "reverse_proxy, 256 idle connections to the backend, GOMAXPROCS",
  version: () => program && firstLineOf(program, ["version"])?.split(" ")[0]?.replace(/^v/, ""),
  prepare: async (job) => {
    const file = join(job.dir, "Caddyfile");
    await writeFile(file, caddyfile(job));
    return {
      command: program ?? "caddy",
      args: ["run", "--config", file, "--adapter", "caddyfile"],
      env: {
        GOMAXPROCS: `${job.workers}`,
        HOME: job.dir,
        XDG_CONFIG_HOME: job.dir,
        XDG_DATA_HOME: job.dir,
      },
    };
  },
};

/** Only the number of idle connections is raised; the default of 32 would reconnect all the time. */
function caddyfile({ port, backendPort, dir, forCase }: Job): string {
  const most = mostBackendConnections(forCase);
  return `
{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  ${forCase.hasAccessLog ? `log {\n    output file ${dir}/access.log {\n      roll_disabled\n    }\n  }` : ""}
  reverse_proxy 127.0.0.1:${backendPort} {
    transport http {
      keepalive_idle_conns_per_host 256
      ${most === undefined ? "" : `max_conns_per_host ${most}`}
    }
  }
}
`;
}
