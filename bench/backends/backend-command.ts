/** Which backend a case needs, and how it is started: nginx where it is installed, as it costs the least. */
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { programPath } from "../place.ts";
import { type Command, findOnPath } from "../process.ts";
import { userLine } from "./nginx-user.ts";
import { SIZED_PATHS, SMALL_BODY } from "./sizes.ts";

/**
 * - `files`: `GET /` with two bytes, and answers of other sizes.
 * - `sink`: reads uploads to their end and answers then.
 * - `echo`: WebSocket messages.
 * - `answers`: tells in its answers what it got; for comparing answers, not for load.
 */
export type BackendKind = "files" | "sink" | "echo" | "answers";

export interface BackendPlace {
  readonly port: number;
  /** An empty folder of its own, removed afterwards. */
  readonly dir: string;
}

export async function backendCommand(kind: BackendKind, place: BackendPlace): Promise<Command> {
  const nginx = findOnPath("nginx");
  if (kind === "files" && nginx) return await nginxBackend(nginx, place);
  return nodeBackend(kind === "files" || kind === "answers" ? "backend" : `backends/${kind}`, place);
}

function nodeBackend(file: string, { port }: BackendPlace): Command {
  return { command: process.execPath, args: [programPath(`bench/${file}`), `${port}`] };
}

async function nginxBackend(program: string, { port, dir }: BackendPlace): Promise<Command> {
  await mkdir(join(dir, "files"));
  await mkdir(join(dir, "temp"));
  for (const [path, bytes] of Object.entries(SIZED_PATHS)) {
    const file = await open(join(dir, "files", path.slice(1)), "w");
    await file.truncate(bytes); // a hole: takes no room on the disk
    await file.close();
  }
  const config = join(dir, "nginx.conf");
  await writeFile(config, nginxConfig(port, dir));
  return { command: program, args: ["-p", dir, "-e", join(dir, "error.log"), "-c", config] };
}

function nginxConfig(port: number, dir: string): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/temp/${name};`,
  );
  return `
${userLine()}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log crit;
events { worker_connections 19000; }
http {
  access_log off;
  ${temp.join("\n  ")}
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=10;
  default_type text/plain;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${dir}/files;
    location = / { return 200 "${SMALL_BODY}"; }
  }
}
`;
}
