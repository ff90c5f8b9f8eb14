/** @fastify/http-proxy on undici; see node-server.ts for its arguments. */
import httpProxy from "@fastify/http-proxy";
import fastify from "fastify";
import { KEEP_ALIVE_MS, serve } from "./node-server.ts";

await serve(async ({ port, backendPort }) => {
  const server = fastify({ logger: false, keepAliveTimeout: KEEP_ALIVE_MS });
  await server.register(httpProxy, {
    upstream: `http://127.0.0.1:${backendPort}`,
    undici: { connections: 128, pipelining: 1 },
    websocket: true,
  });
  await server.listen({ port, host: "127.0.0.1", backlog: 4_096 });
});
