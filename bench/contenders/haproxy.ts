/** HAProxy, when it is installed: one process, as its documentation's first example has it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath, firstLineOf } from "../process.ts";
import { type Contender, type Job, mostBackendConnections } from "./contender.ts";

const program = findOnPath("haproxy");

export const haproxy: Contender = {
  name: "haproxy",
  about: "mode http, http-reuse always, option forwardfor",
  version: () => program && firstLineOf(program, ["-v"])?.split(" ")[2]?.split("-")[0],
  prepare: async (job) => {
    const file = join(job.dir, "haproxy.cfg");
    await writeFile(file, haproxyConfig(job));
    const args = ["-db", "-q", "-f", file];
    if (!job.forCase.hasAccessLog) return { command: program ?? "haproxy", args };
    // The log goes to its stdout, which is a file here: a pipe would make the bench pay for reading it.
    const log = join(job.dir, "access.log");
    return {
      command: "sh",
      args: ["-c", 'exec "$0" "$@" >"$LOG"', program ?? "haproxy", ...args],
      env: { LOG: log },
    };
  },
};

/**
 * `http-reuse always`: any client's request may take any idle connection to the backend, as with all others here; by
 * default the first one of each client connection opens a new one.
 */
function haproxyConfig({ port, backendPort, workers, forCase }: Job): string {
  const log = forCase.hasAccessLog ? "log stdout format raw local0 info" : "";
  const most = mostBackendConnections(forCase);
  return `
global
  nbthread ${workers}
  maxconn 19000
  no strict-limits
  ${log}
defaults
  mode http
  ${forCase.hasAccessLog ? "log global\n  option httplog" : ""}
  option forwardfor
  timeout connect 5s
  timeout queue 60s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  maxconn 19000
frontend bench
  bind 127.0.0.1:${port} backlog 4096
  default_backend bench
backend bench
  http-reuse always
  server one 127.0.0.1:${backendPort}${most === undefined ? "" : ` maxconn ${most}`}
`;
}
