/** Contenders that are Node packages, each a small program beside this file; and no proxy at all. */
import { backendCommand } from "../backends/backend-command.ts";
import type { Case } from "../cases/case.ts";
import { packageVersion } from "../environment.ts";
import { programPath } from "../place.ts";
import type { Contender } from "./contender.ts";

export const direct: Contender = {
  name: "direct",
  about: "no proxy: a backend of its own on the contender's core; its CPU is the backend's",
  version: () => "",
  whyNot: noAccessLog,
  prepare: async ({ port, dir, forCase }) => await backendCommand(forCase.backend, { port, dir }),
};

export const httpProxy = nodeProxy("http-proxy", "http-proxy", "keep-alive agent", "http-proxy");
/** The fastest set-up that its documentation shows, though it lets requests wait behind others. */
export const fastProxy: Contender = {
  ...nodeProxy(
    "fast-proxy",
    "fast-proxy",
    "undici mode, 100 connections, pipelining 10, over node:http",
    "fast-proxy",
    "pipelining",
  ),
  whyNot: noUpgrades,
};
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
  whyNot: noUpgrades,
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
  whyNot: noUpgrades,
};
export const fastifyHttpProxy: Contender = {
  ...nodeProxy(
    "fastify-http-proxy",
    "@fastify/http-proxy",
    "undici, 128 connections, no logger",
    "fastify-http-proxy",
  ),
  whyNot: closesUntold,
};

function noAccessLog({ hasAccessLog }: Case): string | undefined {
  return hasAccessLog ? "has no access log" : undefined;
}

function noUpgrades(one: Case): string | undefined {
  return one.load.kind === "websocket" ? "forwards no WebSocket" : noAccessLog(one);
}

/** A client that believes the answer sends its next request on a connection that is about to end. */
function closesUntold(one: Case): string | undefined {
  const isClosing = one.load.kind === "http" && one.load.isClosing;
  return isClosing
    ? "passes on the backend's Connection: keep-alive, and closes all the same"
    : noAccessLog(one);
}

/** @param file beside this one, without its ending; started with the two ports, the number of workers and `mode`. */
function nodeProxy(name: string, packageName: string, about: string, file: string, mode = ""): Contender {
  return {
    name,
    about,
    version: () => packageVersion(packageName),
    whyNot: noAccessLog,
    prepare: async ({ port, backendPort, workers }) => ({
      command: process.execPath,
      args: [
        programPath(`bench/contenders/${file}`),
        `${port}`,
        `${backendPort}`,
        `${workers}`,
        ...(mode === "" ? [] : [mode]),
      ],
    }),
  };
}
