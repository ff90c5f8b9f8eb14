/** Caddy as a careful operator would set it in front of one service. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "../profiles.ts";
import { type Peer, type Place, peerTarget } from "./peer.ts";

const caddyPeer: Peer = {
  name: "Caddy",
  program: "caddy",
  versionArgs: ["version"],
  versionPattern: /v?(\d[\w.]*)/,
  // No limit on the number of fields, none between two pieces of an upload.
  has: [
    "max_body_bytes",
    "max_target_bytes",
    "max_header_bytes",
    "header_timeout",
    "keep_alive_timeout",
    "response_timeout",
    "upstream_body_idle_timeout",
    "trusted_proxies",
  ],
  prepare: async (place) => {
    const file = join(place.dir, "Caddyfile");
    await writeFile(file, configText(place));
    return {
      command: "caddy",
      args: ["run", "--adapter", "caddyfile", "--config", file],
      env: { HOME: place.dir, XDG_CONFIG_HOME: place.dir, XDG_DATA_HOME: place.dir },
    };
  },
};
export const caddy = peerTarget(caddyPeer);

const SERVER_LIMITS = `
  servers {
    timeouts {
      read_header ${LIMITS.headerTimeoutMs}ms
      # For a whole body: it has no limit between two pieces.
      read_body ${LIMITS.bodyIdleTimeoutMs}ms
      idle ${LIMITS.keepAliveTimeoutMs}ms
    }
    max_header_size ${LIMITS.maxHeaderBytes}B
  }`;
const SITE_LIMITS = `
  request_body {
    max_size ${LIMITS.maxBodyBytes}B
  }
  @long expression \`{http.request.uri}.size() > ${LIMITS.maxTargetBytes}\`
  respond @long 414`;
const BACKEND_LIMITS = `
      response_header_timeout ${LIMITS.responseTimeoutMs}ms
      read_timeout ${LIMITS.upstreamBodyIdleTimeoutMs}ms`;

/**
 * `flush_interval` stays as it is: an answer of unknown length is flushed at once anyway, and with -1 a request to
 * the backend would go on after its client has left.
 */
function configText({ profile, port, backendPort }: Place): string {
  const isLimited = profile === "limits";
  return `{
  admin off
  auto_https off${isLimited ? SERVER_LIMITS : ""}
}

http://:${port} {
  bind 127.0.0.1${isLimited ? SITE_LIMITS : ""}
  reverse_proxy 127.0.0.1:${backendPort} {${profile === "trusting" ? "\n    trusted_proxies 127.0.0.1/32" : ""}
    transport http {
      versions 1.1
      # Else it asks for gzip by itself.
      compression off${isLimited ? BACKEND_LIMITS : ""}
    }
  }
}
`;
}
