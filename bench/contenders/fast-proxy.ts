/**
 * fast-proxy over node:http; see node-server.ts for its arguments.
 *
 * MODE `pipelining`: undici with the sizes of its documentation's example, up to 10 requests on the way on
 * one backend connection; `undici`: one at a time on each connection, as every other contender; `http`: its
 * default, http.Agent.
 */
import { createServer } from "node:http";
import { fastProxy } from "fast-proxy";
import { KEEP_ALIVE_MS, serve } from "./node-server.ts";

const MODES = {
  pipelining: { undici: { connections: 100, pipelining: 10 } },
  undici: { undici: { connections: 100, pipelining: 1 } },
  http: {},
};

await serve(({ port, backendPort, mode }) => {
  if (!(mode === "pipelining" || mode === "undici" || mode === "http")) {
    throw new RangeError(`no mode ${mode}`);
  }
  const { proxy } = fastProxy({ base: `http://127.0.0.1:${backendPort}`, ...MODES[mode] });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
    proxy(req, res, req.url ?? "/", {});
  });
  server.listen({ port, host: "127.0.0.1", backlog: 4_096 });
});
