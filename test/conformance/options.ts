/** The command line of the suite, checked. */
import { parseArgs } from "node:util";

export interface Options {
  readonly isWithPeers: boolean;
  /** Instead of the daemon. */
  readonly target: { readonly host: string; readonly port: number; readonly backendPort: number } | undefined;
  /** Only cases whose sentence or promise contains it; empty: all. */
  readonly only: string;
  readonly jsonFile: string | undefined;
  readonly markdownFile: string | undefined;
}

export const USAGE = `npm run conformance -- [options]
  --peers                 also nginx, HAProxy, Caddy and a Go ReverseProxy, as far as they are installed
  --target HOST:PORT      a proxy that runs already, instead of the daemon; it forwards everything to ...
  --backend-port N        ... this port of this machine, where the suite listens
  --only TEXT             the cases whose sentence or promise contains TEXT
  --json FILE             also write the results as JSON
  --markdown FILE         also write the table as Markdown
Exits with 0 when the daemon, or the target, passed every case; 1 when it did not; 2 for bad arguments.`;

/** @throws TypeError that says what is wrong. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: "boolean", default: false },
      target: { type: "string" },
      "backend-port": { type: "string" },
      only: { type: "string", default: "" },
      json: { type: "string" },
      markdown: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  if (values.peers && values.target !== undefined) {
    throw new TypeError("--target is the only proxy of its run: leave --peers out");
  }
  return {
    isWithPeers: values.peers,
    target: parseTarget(values.target, values["backend-port"]),
    only: values.only,
    jsonFile: values.json,
    markdownFile: values.markdown,
  };
}

function parseTarget(target: string | undefined, backendPort: string | undefined): Options["target"] {
  if (target === undefined && backendPort === undefined) return undefined;
  if (target === undefined || backendPort === undefined) {
    throw new TypeError("--target and --backend-port go together");
  }
  const [, host = "", port = ""] = /^\[?([^[\]]+)\]?:(\d+)$/.exec(target) ?? [];
  if (host === "") throw new TypeError(`--target takes HOST:PORT, not ${JSON.stringify(target)}`);
  return { host, port: parsePort("--target", port), backendPort: parsePort("--backend-port", backendPort) };
}

function parsePort(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new TypeError(`${name} takes a port from 1 to 65535, not ${JSON.stringify(text)}`);
  return port;
}
