/** A proxy that somebody else has started, known by its address alone. */
import { openRaw } from "../../support/raw-client.ts";
import type { Target } from "./target.ts";

/** It is asked nothing that needs a profile or a setting: nobody knows what it has. */
export function addressTarget(host: string, port: number): Target {
  return {
    name: `${host}:${port}`,
    has: new Set(),
    profiles: new Set(["default"]),
    version: async () => "as it runs",
    start: async () => {
      const client = await openRaw(port, { host }); // before hundreds of cases find out
      client.destroy();
      return { host, port };
    },
  };
}
