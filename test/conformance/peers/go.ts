/** Go's httputil.ReverseProxy, built from go/main.go. */
import { join } from "node:path";
import { runProgram } from "../../support/program.ts";
import { ROOT } from "../../support/root.ts";
import { LIMITS } from "../profiles.ts";
import { type Peer, peerTarget } from "./peer.ts";

const SOURCE = join(ROOT, "test", "conformance", "peers", "go", "main.go");
const BUILD_LIMIT_MS = 180_000;

const goPeer: Peer = {
  name: "Go ReverseProxy",
  program: "go",
  versionArgs: ["version"],
  versionPattern: /go(\d[\w.]*)/,
  // No limit on the number of fields, none between two pieces of a body.
  has: [
    "max_body_bytes",
    "max_target_bytes",
    "max_header_bytes",
    "header_timeout",
    "keep_alive_timeout",
    "response_timeout",
    "trusted_proxies",
  ],
  prepare: async ({ profile, port, backendPort, dir }) => {
    const binary = join(dir, "go-proxy");
    // Only the standard library is used: nothing is fetched.
    const env = { GOFLAGS: "-mod=mod", GOPROXY: "off", GO111MODULE: "off", CGO_ENABLED: "0" };
    await runProgram("go", ["build", "-o", binary, SOURCE], { limitMs: BUILD_LIMIT_MS, env });
    const limits = [
      LIMITS.maxBodyBytes,
      LIMITS.maxTargetBytes,
      LIMITS.maxHeaderBytes,
      LIMITS.headerTimeoutMs,
      LIMITS.keepAliveTimeoutMs,
      LIMITS.responseTimeoutMs,
    ];
    return {
      command: binary,
      args: [profile, `127.0.0.1:${port}`, `127.0.0.1:${backendPort}`, limits.join(",")],
    };
  },
};
export const go = peerTarget(goPeer);
