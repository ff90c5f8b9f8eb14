/** A real nginx: the head of its config, one worker that leaves all its files in one folder, and what starts it. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const TEMP_KINDS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/**
 * Writes the config; over one that was written before, for a reload.
 *
 * @param dir a folder of its own.
 * @param http what stands in `http { … }`, besides the folders and `access_log off`.
 * @returns the arguments of nginx for it; it stays in the foreground.
 */
export async function writeNginxConfig(dir: string, http: string): Promise<string[]> {
  const file = join(dir, "nginx.conf");
  await mkdir(join(dir, "temp"), { recursive: true });
  await writeFile(file, configText(dir, http));
  return ["-p", dir, "-e", join(dir, "error.log"), "-c", file];
}

function configText(dir: string, http: string): string {
  const temp = TEMP_KINDS.map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`);
  // Its worker would be nobody else, who may not read our folder.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `
daemon off;
${user}
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log warn;
events { worker_connections 4096; }
http {
  access_log off;
  ${temp.join("\n  ")}
  ${http.trim()}
}
`;
}
