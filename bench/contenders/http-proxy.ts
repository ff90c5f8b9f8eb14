/** http-proxy with a keep-alive agent: `node http-proxy.js PORT BACKEND_PORT`. */
import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";
import { endWithParent } from "../process.ts";

const [port, backendPort] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: { host: "127.0.0.1", port: `${backendPort}` },
  agent: new Agent({ keepAlive: true, maxSockets: 400, maxFreeSockets: 400 }),
  xfwd: true,
});
proxy.on("error", (_error, _req, res) => {
  if ("writeHead" in res) res.writeHead(502);
  res.end();
});

endWithParent();
createServer((req, res) => proxy.web(req, res)).listen({ port, host: "127.0.0.1", backlog: 4_096 });
