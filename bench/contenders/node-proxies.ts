/** Contenders that are Node packages, each a small program beside this file: `node FILE PORT BACKEND_PORT`. */
import { environment, packageVersion } from "../environment.ts";
import { programPath } from "../place.ts";
import type { Contender } from "./contender.ts";

export const direct: Contender = {
  name: "direct",
  about: "no proxy: a backend of its own on the contender's core; its CPU is the backend's",
  version: () => environment().node,
  prepare: async ({ port }) => ({
    command: process.execPath,
    args: [programPath("bench/backend"), `${port}`],
  }),
};

export const httpProxy = nodeProxy("http-proxy", "http-proxy", "keep-alive agent", "http-proxy");
/** The reference of the claim: the fastest set-up that its documentation shows, though it lets requests wait behind others. */
export const fastProxy = nodeProxy(
  "fast-proxy",
  "fast-proxy",
  "undici mode, 100 connections, pipelining 10, over node:http",
  "fast-proxy",
  "pipelining",
);
/** The same without pipelining, which is what all others do. */
export const fastProxyUndici: Contender = {
  ...nodeProxy(
    "fast-proxy-undici",
    "fast-proxy",
    "undici mode, 100 connections, no pipelining, over node:http",
    "fast-proxy",
    "undici",
  ),
  isExtra: true,
};
export const fastProxyHttp: Contender = {
  ...nodeProxy(
    "fast-proxy-http",
    "fast-proxy",
    "its default, http.Agent, over node:http",
    "fast-proxy",
    "http",
  ),
  isExtra: true,
};
export const fastifyHttpProxy = nodeProxy(
  "fastify-http-proxy",
  "@fastify/http-proxy",
  "undici, no logger",
  "fastify-http-proxy",
);

/** @param file beside this one, without its ending; started with the two ports and then `args`. */
function nodeProxy(
  name: string,
  packageName: string,
  about: string,
  file: string,
  ...args: string[]
): Contender {
  return {
    name,
    about,
    version: () => packageVersion(packageName),
    prepare: async ({ port, backendPort }) => ({
      command: process.execPath,
      args: [programPath(`bench/contenders/${file}`), `${port}`, `${backendPort}`, ...args],
    }),
  };
}
