/**
 * A backend of a pool, as a process of its own that can be killed: `pool-backend-child.js DELAY_MS`. Answers every
 * request after that time, and tells its parent its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const delayMs = Number(process.argv[2]);
const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  req.resume();
  setTimeout(() => res.end("ok"), delayMs);
});
process.on("disconnect", () => process.exit(0));
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
