/** Our own daemon: one worker, both versions at the one backend. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startProxy } from "../../support/proxy.ts";
import { ROOT } from "../../support/root.ts";
import { NEEDS, PROFILES, type ProfileName } from "../profiles.ts";
import type { Target } from "./target.ts";

export const daemon: Target = {
  name: "traffic-switching",
  has: new Set(NEEDS),
  profiles: new Set(Object.keys(PROFILES) as ProfileName[]),
  version: async () =>
    (JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string }).version,
  start: async (t, profile, backendPort) => {
    const url = `http://127.0.0.1:${backendPort}`;
    const proxy = await startProxy(t, { v1: url, v2: url, config: PROFILES[profile] });
    return { host: "127.0.0.1", port: proxy.port, daemon: proxy };
  },
};
