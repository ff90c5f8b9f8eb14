/**
 * A backend that costs next to nothing, so that the daemon is what is under load: every request without a body gets
 * the same answer of two bytes, over connections that stay open: `fast-backend-child.js [BODY]`. Tells its parent its
 * port, and whenever it is asked how many connections it has taken so far.
 */
import { type AddressInfo, createServer } from "node:net";
import { endWithParent, tellParent } from "./child.ts";

const HEAD_END = "\r\n\r\n";
const [, , body = "ok"] = process.argv;
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}${HEAD_END}${body}`,
);
let connections = 0;

const server = createServer({ noDelay: true }, (socket) => {
  connections++;
  let rest = "";
  socket.on("data", (bytes) => {
    const heads = (rest + bytes.toString("latin1")).split(HEAD_END);
    rest = heads.pop() ?? "";
    if (heads.length === 1) socket.write(ANSWER);
    else if (heads.length > 1) socket.write(Buffer.concat(heads.map(() => ANSWER)));
  });
  socket.on("error", () => socket.destroy());
});

endWithParent();
process.on("message", () => tellParent({ connections }));
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () =>
  tellParent({ port: (server.address() as AddressInfo).port }),
);
