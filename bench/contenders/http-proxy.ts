/** http-proxy with a keep-alive agent; see node-server.ts for its arguments. */
import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";
import { KEEP_ALIVE_MS, serve } from "./node-server.ts";

await serve(({ port, backendPort }) => {
  const proxy = httpProxy.createProxyServer({
    target: { host: "127.0.0.1", port: `${backendPort}` },
    agent: new Agent({ keepAlive: true, maxSockets: 400, maxFreeSockets: 400 }),
    xfwd: true,
  });
  proxy.on("error", (_error, _req, res) => {
    if ("writeHead" in res) res.writeHead(502);
    res.end();
  });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => proxy.web(req, res));
  server.on("upgrade", (req, socket, head) => proxy.ws(req, socket, head));
  server.listen({ port, host: "127.0.0.1", backlog: 4_096 });
});
