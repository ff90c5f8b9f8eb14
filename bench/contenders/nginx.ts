/** nginx, when it is installed: connections to the backend kept alive, no access log; bodies as by default, and tuned. */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { userLine } from "../backends/nginx-user.ts";
import type { Case } from "../cases/case.ts";
import { findOnPath } from "../process.ts";
import type { Contender, Job } from "./contender.ts";

const program = findOnPath("nginx");

export const nginx: Contender = {
  name: "nginx",
  about: "upstream keepalive 256, access_log off, else its defaults",
  version: () => program && nginxVersion(program),
  prepare: (job) => prepare(job, []),
};

/** An upload of 16 KiB does not fit into its default buffer and takes the way through a file: this one's does. */
export const nginxTuned: Contender = {
  ...nginx,
  name: "nginx-tuned",
  about: "nginx with 32 KiB for a body, and no temporary files for large ones",
  whyNot: (one) => (hasLargeBodies(one) ? undefined : "the same as nginx without large bodies"),
  prepare: (job) => prepare(job, tuning(job.forCase)),
};

function hasLargeBodies({ load }: Case): boolean {
  return load.kind === "transfer" || (load.kind === "http" && load.uploadBytes !== undefined);
}

function tuning({ load }: Case): string[] {
  return load.kind === "transfer"
    ? ["proxy_request_buffering off;", "proxy_max_temp_file_size 0;"]
    : ["client_body_buffer_size 32k;"];
}

async function prepare(job: Job, tuned: readonly string[]): Promise<{ command: string; args: string[] }> {
  const file = join(job.dir, "nginx.conf");
  await mkdir(join(job.dir, "temp"));
  await writeFile(file, nginxConfig(job, tuned));
  return {
    command: program ?? "nginx",
    args: ["-p", job.dir, "-e", join(job.dir, "error.log"), "-c", file],
  };
}

function nginxVersion(path: string): string {
  // Written to stderr.
  return execFileSync("sh", ["-c", '"$0" -v 2>&1', path], { encoding: "utf8" }).trim().replace(/^.*\//, "");
}

/** Its limits on requests for each connection and on a body's size are lifted: nobody else here has one. */
function nginxConfig({ port, backendPort, dir, workers, forCase }: Job, tuned: readonly string[]): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/temp/${name};`,
  );
  const upgrade = forCase.load.kind === "websocket";
  const fields = upgrade ? ["Upgrade $http_upgrade", "Connection upgrade"] : ['Connection ""'];
  return `
${userLine()}
daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log error;
events { worker_connections 19000; }
http {
  access_log ${forCase.hasAccessLog ? `${dir}/access.log combined` : "off"};
  ${temp.join("\n  ")}
  client_max_body_size 0;
  keepalive_requests 1000000000;
  upstream backend {
    server 127.0.0.1:${backendPort};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      ${fields.map((field) => `proxy_set_header ${field};`).join("\n      ")}
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      ${tuned.join("\n      ")}
    }
  }
}
`;
}
