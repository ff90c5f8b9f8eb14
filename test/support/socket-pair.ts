/** Two ends of one real TCP connection on loopback, in one process. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestEnd, type TestEnd } from "./cleanup.ts";

/** Half-open on both sides. Both are closed with the test; an error on one surprises nobody. */
export async function socketPair(t: TestEnd): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const near = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [
    [Socket],
    unknown,
  ];
  server.close();
  for (const socket of [near, far]) {
    socket.on("error", () => undefined);
    onTestEnd(t, () => socket.destroy());
  }
  return [near, far];
}
