/**
 * A real nginx with a server for each version, and two in front of the daemon: one that speaks HTTP/1.1 to it
 * and keeps connections, one that speaks HTTP/1.0, which is what nginx does unless told otherwise.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestEnd } from "../support/cleanup.ts";
import { freePort, isPortFree } from "../support/free-port.ts";
import { writeNginxConfig } from "../support/nginx-config.ts";
import { startProgram } from "../support/program.ts";
import { waitUntil } from "../support/wait.ts";

export const MAX_BODY_BYTES = 2 * 2 ** 20;

export interface Nginx {
  readonly v1: number;
  readonly v2: number;
  /** In front of the daemon, over HTTP/1.1 and over HTTP/1.0. */
  readonly front11: number;
  readonly front10: number;
  /** What `/files/` serves, and where PUT leaves what it was sent; the same for both versions. */
  readonly files: string;
}

/**
 * @param dir an empty folder for its files.
 * @param ports where the versions shall listen, and where the daemon does.
 */
export async function startNginx(
  t: TestEnd,
  dir: string,
  ports: { v1: number; v2: number; daemon: number },
): Promise<Nginx> {
  const nginx: Nginx = {
    v1: ports.v1,
    v2: ports.v2,
    front11: await freePort(),
    front10: await freePort(),
    files: join(dir, "www", "files"),
  };
  await mkdir(nginx.files, { recursive: true });
  const args = await writeNginxConfig(dir, httpText(nginx, ports.daemon, dir));
  const output = startProgram(t, "nginx", args);
  await waitUntil("nginx listens", async () => !(await isPortFree(nginx.front10)), { details: output });
  return nginx;
}

function httpText(nginx: Nginx, daemon: number, dir: string): string {
  return `
  default_type text/plain;
  keepalive_requests 1000000;
  client_max_body_size ${MAX_BODY_BYTES};
  upstream daemon { server 127.0.0.1:${daemon}; keepalive 8; }
  ${backend("v1", nginx.v1, dir)}
  ${backend("v2", nginx.v2, dir)}
  server {
    listen 127.0.0.1:${nginx.front11};
    location / { proxy_pass http://daemon; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
  server {
    listen 127.0.0.1:${nginx.front10};
    location / { proxy_pass http://127.0.0.1:${daemon}; proxy_http_version 1.0; }
  }`;
}

/** `/connection` names the connection that the request came over. */
function backend(version: string, port: number, dir: string): string {
  return `server {
    listen 127.0.0.1:${port};
    add_header X-Version ${version};
    location / { return 200 "${version}\\n"; }
    location = /connection { return 200 "$connection"; }
    location /files/ { root ${dir}/www; dav_methods PUT; gzip on; gzip_types application/x-text; types { application/x-text text; } }
  }`;
}
