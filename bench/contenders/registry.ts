/** Every contender, in the order of the report. */
import type { Contender } from "./contender.ts";
import { daemon } from "./daemon.ts";
import { go } from "./go.ts";
import { nginx } from "./nginx.ts";
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
  httpProxy,
  fastProxy,
  fastProxyUndici,
  fastProxyHttp,
  fastifyHttpProxy,
  nginx,
  go,
];
