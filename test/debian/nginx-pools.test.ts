/**
 * Pools of real nginx: a reload of one after the other under load loses nothing. `npm run test:nginx`; needs the Debian
 * package nginx.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { freePort, isPortFree } from "../support/free-port.ts";
import { writeNginxConfig } from "../support/nginx-config.ts";
import { startClients } from "../support/pools/clients.ts";
import { countsOf, told } from "../support/pools/shares.ts";
import { needPrograms, runProgram, startProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait.ts";

needPrograms({ nginx: "nginx" });

const NAMES = ["a", "b", "c"] as const;
const CONNECTIONS = 64;
const RELOADS = 4;
const LIMIT = { timeout: 90_000 };
const COMMAND_LIMIT_MS = 10_000;

interface PoolNginx {
  readonly name: string;
  readonly port: number;
  /** What its answers say from the next reload on. */
  rename(name: string): Promise<void>;
  reload(): Promise<void>;
}

async function startNginx(t: TestContext, name: string): Promise<PoolNginx> {
  const dir = await tempDir(t, `nginx-${name}`);
  const port = await freePort();
  const write = (to: string): Promise<string[]> => writeNginxConfig(dir, httpText(to, port));
  const args = await write(name);
  const output = startProgram(t, "nginx", args);
  await waitUntil(`nginx ${name} listens`, async () => !(await isPortFree(port)), { details: output });
  const reload = async (): Promise<void> => {
    await runProgram("nginx", [...args, "-s", "reload"], { limitMs: COMMAND_LIMIT_MS });
  };
  const rename = async (to: string): Promise<void> => void (await write(to));
  return { name, port, rename, reload };
}

function httpText(name: string, port: number): string {
  return `
  keepalive_requests 1000000;
  map $content_length $bytes { "" 0; default $content_length; }
  server { listen 127.0.0.1:${port}; location / { return 200 "${name} $bytes"; } }`;
}

test(
  `${RELOADS * NAMES.length} reloads of nginx, one after the other, under ${CONNECTIONS} connections lose nothing`,
  LIMIT,
  async (t) => {
    const servers: PoolNginx[] = [];
    for (const name of NAMES) servers.push(await startNginx(t, name));
    const targets = servers.map(({ port }) => `http://127.0.0.1:${port}`);
    const config = { backends: { v1: { targets }, v2: targets[0] ?? "" } };
    const proxy = await startProxy(t, { v1: "", v2: "", workers: 2, config });
    const clients = startClients(t, { port: proxy.port, connections: CONNECTIONS });
    await clients.more(5 * CONNECTIONS);
    for (let round = 1; round <= RELOADS; round++) {
      for (const server of servers) {
        const to = `${server.name}${round}`;
        await server.rename(to);
        await server.reload();
        await waitUntil(`${to} answers`, () =>
          clients.seen.slice(-500).some(({ backend }) => backend === to),
        );
        await clients.more(5 * CONNECTIONS);
      }
    }
    await clients.stop();
    assert.deepEqual(clients.faults, [], told(clients.faults));
    t.diagnostic(`${clients.seen.length} requests: ${JSON.stringify(countsOf(clients.seen))}`);
  },
);
