/**
 * Fills the compile cache: runs the daemon once, from its start through a request, a scrape and a look at its status to
 * its end. For the build of an image, which then starts as fast the first time as later. `compile-cache.ts` says where.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartError } from "../core/errors.ts";
import { call } from "./call.ts";
import { DaemonProcess } from "./daemon-process.ts";

const NOBODY = "http://127.0.0.1:1";

async function fill(dir: string): Promise<void> {
  const config = {
    server: { host: "127.0.0.1", port: 0, workers: 1, shutdown_grace: "2s" },
    backends: { v1: NOBODY, v2: NOBODY },
    active_version: "v1",
    admin: { host: "127.0.0.1", port: 0 },
    state_dir: join(dir, "state"),
  };
  const onDeath = (why: string): void => {
    throw new StartError(why, 1);
  };
  const daemon = new DaemonProcess({ dir, config, onDeath });
  await daemon.start();
  const { proxy, admin } = daemon.urls;
  for (const url of [proxy, `${admin}/status`, `${admin}/metrics`]) await call({ method: "GET", url });
  await daemon.stop();
}

const dir = mkdtempSync(join(tmpdir(), "traffic-switching-cache-"));
try {
  await fill(dir);
} finally {
  rmSync(dir, { recursive: true });
}
