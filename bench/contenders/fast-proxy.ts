/**
 * fast-proxy over node:http: `node fast-proxy.js PORT BACKEND_PORT MODE`.
 *
 * MODE `pipelining`: undici with the sizes of its documentation's example, up to 10 requests on the way on
 * one backend connection; `undici`: one at a time on each connection, as every other contender; `http`: its
 * default, http.Agent.
 */
import { createServer } from "node:http";
import { fastProxy } from "fast-proxy";
import { endWithParent } from "../process.ts";

const MODES = {
  pipelining: { undici: { connections: 100, pipelining: 10 } },
  undici: { undici: { connections: 100, pipelining: 1 } },
  http: {},
};

const [port, backendPort] = process.argv.slice(2, 4).map(Number);
const mode = process.argv[4] ?? "";
if (!(mode === "pipelining" || mode === "undici" || mode === "http")) throw new RangeError(`no mode ${mode}`);
const { proxy } = fastProxy({ base: `http://127.0.0.1:${backendPort}`, ...MODES[mode] });

endWithParent();
createServer((req, res) => proxy(req, res, req.url ?? "/", {})).listen({
  port,
  host: "127.0.0.1",
  backlog: 4_096,
});
