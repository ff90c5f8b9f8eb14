/** Go's httputil.ReverseProxy, when Go is installed: built from go/main.go, on GOMAXPROCS threads. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../place.ts";
import { findOnPath, firstLineOf } from "../process.ts";
import { tempDirOfOurs } from "../temp-dirs.ts";
import { type Contender, mostBackendConnections } from "./contender.ts";

const SOURCE = join(ROOT, "bench", "contenders", "go", "main.go");
const BUILD_LIMIT_MS = 180_000;
const program = findOnPath("go");
/** Built once for a run. */
let built: Promise<string> | undefined;

export const go: Contender = {
  name: "go",
  about: "net/http/httputil.ReverseProxy, GOMAXPROCS",
  version: () => program && firstLineOf(program, ["version"])?.split(" ")[2]?.replace(/^go/, ""),
  whyNot: ({ hasAccessLog }) => (hasAccessLog ? "has no access log" : undefined),
  prepare: async ({ port, backendPort, workers, forCase }) => {
    built ??= build();
    const most = mostBackendConnections(forCase);
    return {
      command: await built,
      args: [
        `127.0.0.1:${port}`,
        `http://127.0.0.1:${backendPort}`,
        ...(most === undefined ? [] : [`${most}`]),
      ],
      env: { GOMAXPROCS: `${workers}` },
    };
  },
};

async function build(): Promise<string> {
  const binary = join(await tempDirOfOurs(), "go-proxy");
  // Only the standard library is used: nothing is fetched.
  const env = { ...process.env, GOFLAGS: "-mod=mod", GOPROXY: "off", GO111MODULE: "off", CGO_ENABLED: "0" };
  await promisify(execFile)(program ?? "go", ["build", "-o", binary, SOURCE], {
    env,
    timeout: BUILD_LIMIT_MS,
  });
  return binary;
}
