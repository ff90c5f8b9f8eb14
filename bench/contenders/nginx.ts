/** nginx, when it is installed: one worker, connections to the backend kept alive, no access log. */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath } from "../process.ts";
import type { Contender, Job } from "./contender.ts";

const program = findOnPath("nginx");

export const nginx: Contender = {
  name: "nginx",
  about: "worker_processes 1, upstream keepalive, access_log off",
  version: () => program && nginxVersion(program),
  prepare: async (job) => {
    const file = join(job.dir, "nginx.conf");
    await mkdir(join(job.dir, "temp"));
    await writeFile(file, nginxConfig(job));
    return {
      command: program ?? "nginx",
      args: ["-p", job.dir, "-e", join(job.dir, "error.log"), "-c", file],
    };
  },
};

function nginxVersion(path: string): string {
  // Written to stderr.
  return execFileSync("sh", ["-c", '"$0" -v 2>&1', path], { encoding: "utf8" }).trim().replace(/^.*\//, "");
}

/** Its limits on requests for each connection are lifted: nobody else here has one. */
function nginxConfig({ port, backendPort, dir }: Job): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/temp/${name};`,
  );
  return `
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log warn;
events { worker_connections 16384; }
http {
  access_log off;
  ${temp.join("\n  ")}
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
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;
}
