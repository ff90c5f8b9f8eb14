/** @fastify/http-proxy on undici: `node fastify-http-proxy.js PORT BACKEND_PORT`. */
import httpProxy from "@fastify/http-proxy";
import fastify from "fastify";
import { endWithParent } from "../process.ts";

const [port, backendPort] = process.argv.slice(2).map(Number);
const server = fastify({ logger: false });
await server.register(httpProxy, {
  upstream: `http://127.0.0.1:${backendPort}`,
  undici: { connections: 128, pipelining: 1 },
});

endWithParent();
await server.listen({ port: port ?? 0, host: "127.0.0.1", backlog: 4_096 });
