/**
 * Check: what `traffic-switching check` prints about a good config.
 *
 * Pure; opens no port and no state. Says which tokens there are by their names, never what they are.
 */
import type { Config } from "../config/schema.ts";
import { hostAndPort } from "../core/host-and-port.ts";
import { versionLines } from "./check-versions.ts";

/** @param file as the operator named it. @returns lines, each ended. */
export function checkReport(file: string, config: Config): string {
  const { server } = config;
  const workers = server.workers === 1 ? "1 worker" : `${server.workers} workers`;
  return [
    `${file}: ok`,
    `  listen   ${address(server.host, server.port)}, ${workers}`,
    ...versionLines(config),
    `  state    ${config.stateDir}`,
    `  admin    ${adminAddress(config.admin)}, tokens: ${tokenList(config.admin)}`,
    "",
  ].join("\n");
}

function adminAddress({ host, port, socket, tls }: Config["admin"]): string {
  if (socket !== null) return `unix:${socket.path} (mode ${socket.mode.toString(8).padStart(4, "0")})`;
  if (tls === null) return address(host, port);
  const clients = tls.clientCa === null ? "" : `, client certificate: ${tls.clientRole}`;
  return address(host, port, "https") + clients;
}

/** With their roles. `token` is the one of admin.token, as in the history. */
function tokenList({ token, tokens }: Config["admin"]): string {
  const main = token === null ? [] : ["token (admin)"];
  const all = [...main, ...tokens.map(({ name, role }) => `token:${name} (${role})`)];
  return all.length === 0 ? "none" : all.join(", ");
}

function address(host: string, port: number, scheme = "http"): string {
  return `${scheme}://${hostAndPort(host, port === 0 ? "(any free port)" : port)}`;
}
