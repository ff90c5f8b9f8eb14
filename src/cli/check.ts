/**
 * Check: what `traffic-switching check` prints about a good config.
 *
 * Pure; opens no port and no state. Says whether there is a token, never which.
 */
import type { Config } from "../config/schema.ts";
import { hostAndPort } from "../core/host-and-port.ts";

/** @param file as the operator named it. @returns lines, each ended. */
export function checkReport(file: string, config: Config): string {
  const { server, admin } = config;
  const width = Math.max(...config.backends.map(({ version }) => version.length));
  const backends = config.backends.map(({ version, origin }) => {
    const isActive = version === config.activeVersion;
    return `  backend  ${version.padEnd(width)}  ${origin}${isActive ? "  (active when there is no state)" : ""}`;
  });
  const workers = server.workers === 1 ? "1 worker" : `${server.workers} workers`;
  return [
    `${file}: ok`,
    `  listen   ${address(server.host, server.port)}, ${workers}`,
    ...backends,
    `  state    ${config.stateDir}`,
    `  admin    ${address(admin.host, admin.port)}, token: ${admin.token === null ? "no" : "yes"}`,
    "",
  ].join("\n");
}

function address(host: string, port: number): string {
  return `http://${hostAndPort(host, port === 0 ? "(any free port)" : port)}`;
}
