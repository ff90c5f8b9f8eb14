/** Every contender, in the order of the report. */
import { caddy } from "./caddy.ts";
import type { Contender } from "./contender.ts";
import { daemon, daemonOnNodeSockets } from "./daemon.ts";
import { go } from "./go.ts";
import { haproxy } from "./haproxy.ts";
import { nginx, nginxTuned } from "./nginx.ts";
import {
  direct,
  fastifyHttpProxy,
  fastProxy,
  fastProxyHttp,
  fastProxyUndici,
  httpProxy,
} from "./node-proxies.ts";

export const CONTENDERS: readonly Contender[] = [
  direct,
  daemon,
  daemonOnNodeSockets,
  nginx,
  nginxTuned,
  haproxy,
  caddy,
  go,
  fastProxy,
  fastProxyUndici,
  fastProxyHttp,
  fastifyHttpProxy,
  httpProxy,
];
