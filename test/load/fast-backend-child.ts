/**
 * A backend that costs next to nothing, so that the daemon is what is under load: every request without a body gets
 * the same answer, over connections that stay open. Tells its parent its port.
 */
import { type AddressInfo, createServer } from "node:net";
import { endWithParent, tellParent } from "./child.ts";

const HEAD_END = "\r\n\r\n";
const ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2${HEAD_END}ok`);

const server = createServer({ noDelay: true }, (socket) => {
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
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () =>
  tellParent({ port: (server.address() as AddressInfo).port }),
);
