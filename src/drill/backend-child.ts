/**
 * One backend of the drill, as a process of its own: so that the load does not starve it. Ends with its parent.
 *
 * Started by backends.ts with the name of its version; tells the port it listens on.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "./backend-answers.ts";
import { echoMessages } from "./backend-websocket.ts";

/** Longer than any version stands by here: who closes an idle connection first is not what the drill is about. */
const KEEP_ALIVE_MS = 120_000;

const version = process.argv[2] ?? "";
const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => answer(version, req, res));
server.on("upgrade", (req, socket, head) => echoMessages(version, { req, socket, head }));

process.on("disconnect", () => process.exit(0));
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined); // the parent ends us
server.listen(0, "127.0.0.1");
await once(server, "listening");
process.send?.({ port: (server.address() as AddressInfo).port });
