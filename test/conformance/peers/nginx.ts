/** nginx as a careful operator would set it in front of one service. */
import { writeNginxConfig } from "../../support/nginx-config.ts";
import { LIMITS } from "../profiles.ts";
import { type Peer, type Place, peerTarget } from "./peer.ts";

const nginxPeer: Peer = {
  name: "nginx",
  program: "nginx",
  versionArgs: ["-v"],
  versionPattern: /nginx\/(\S+)/,
  // No limit on the number of fields.
  has: [
    "max_body_bytes",
    "max_target_bytes",
    "max_header_bytes",
    "header_timeout",
    "body_idle_timeout",
    "keep_alive_timeout",
    "response_timeout",
    "upstream_body_idle_timeout",
    "trusted_proxies",
  ],
  prepare: async (place) => ({
    command: "nginx",
    args: await writeNginxConfig(place.dir, httpText(place)),
  }),
};
export const nginx = peerTarget(nginxPeer);

const NO_LIMITS = "client_max_body_size 0;";

/** Its header limit is one of buffers: at most these two together, a line at most one. */
const SMALL_LIMITS = `
    client_max_body_size ${LIMITS.maxBodyBytes};
    client_header_buffer_size ${LIMITS.maxHeaderBytes};
    large_client_header_buffers 1 ${LIMITS.maxHeaderBytes};
    client_header_timeout ${LIMITS.headerTimeoutMs}ms;
    client_body_timeout ${LIMITS.bodyIdleTimeoutMs}ms;
    keepalive_timeout ${LIMITS.keepAliveTimeoutMs}ms;
    # Both to the head of an answer and between two pieces of its body.
    proxy_read_timeout ${LIMITS.responseTimeoutMs}ms;
    if ($request_uri ~ "^.{${LIMITS.maxTargetBytes + 1}}") { return 414; }`;

function httpText({ profile, port, backendPort }: Place): string {
  const isTrusting = profile === "trusting";
  return `
  # From the documentation of its WebSocket proxying; "" leaves the connection to the backend open otherwise.
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  map $http_x_forwarded_proto $proto { default ${isTrusting ? "$http_x_forwarded_proto" : "$scheme"}; "" $scheme; }
  map $http_x_forwarded_host $fronthost { default ${isTrusting ? "$http_x_forwarded_host" : "$http_host"}; "" $http_host; }
  # The one backend is never given up.
  upstream backend { server 127.0.0.1:${backendPort} max_fails=0; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    # Else fields whose name has an underscore are dropped.
    underscores_in_headers on;
    ${profile === "limits" ? SMALL_LIMITS : NO_LIMITS}
    location / {
      # Without a path of its own, so that the client's goes on as it came.
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $proto;
      proxy_set_header X-Forwarded-Host $fronthost;
      # Streams, both ways.
      proxy_buffering off;
      proxy_request_buffering off;
      # Else they would be its own.
      proxy_pass_header Server;
      proxy_pass_header Date;
    }
  }`;
}
