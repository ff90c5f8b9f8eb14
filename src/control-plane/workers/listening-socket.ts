/**
 * The traffic port's socket: bound once by the primary and handed to every worker, which listens on it.
 *
 * All workers accept from one queue in the kernel, and the primary keeps the socket open without ever
 * accepting, so a connection that waits in the queue survives the death of any worker, even of all of
 * them: the replacement accepts it. (node:cluster's own shared handle is closed with its last worker.)
 * Figures against round robin and reusePort: README, "Performance"; `npm run bench:accept`.
 */
import { lookup } from "node:dns/promises";
import { createServer, isIP, type Server } from "node:net";
import { getSystemErrorName } from "node:util";
import { StartError } from "../../core/errors.ts";
import { hostAndPort } from "../../core/host-and-port.ts";

/** What node:net has inside: libuv's TCP handle. Only what is used here. */
export interface TcpHandle {
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
}
type TcpHandleClass = new (type: number) => TcpHandle;

const TYPE_SERVER = 1; // TCPConstants.SERVER of Node's tcp_wrap
const NOT_ONLY_V6 = 0; // `::` takes IPv4 too, as node:net does by default
const RETRY_MS = 100;

export interface ListeningSocket {
  readonly handle: TcpHandle;
  readonly port: number;
}

/**
 * Binds, without listening: the first worker's `listen` starts the queue.
 *
 * An address in use is tried again for `patienceMs`: after a kill -9 of a primary its orphaned workers
 * need a moment to let go of the port.
 *
 * @throws StartError (exit code 1) naming the address and what to do.
 */
export async function bindListeningSocket(
  host: string,
  port: number,
  patienceMs: number,
): Promise<ListeningSocket> {
  const address = await resolveHost(host);
  const Tcp = await tcpHandleClass();
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    const handle = new Tcp(TYPE_SERVER);
    const out: { port?: number } = {};
    // bind(2) on an address in use fails late in libuv: getsockname tells.
    const status =
      (isIP(address) === 6 ? handle.bind6(address, port, NOT_ONLY_V6) : handle.bind(address, port)) ||
      handle.getsockname(out);
    if (status === 0) return { handle, port: out.port ?? port };
    handle.close();
    const code = getSystemErrorName(status);
    if (code !== "EADDRINUSE" || waitedMs >= patienceMs) throw bindError(code, host, port);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function bindError(code: string, host: string, port: number): StartError {
  const where = hostAndPort(host, port);
  switch (code) {
    case "EADDRINUSE":
      return new StartError(
        `cannot listen on ${where}: the port is in use (EADDRINUSE). Stop the other program, or set server.port (SERVER_PORT, --port).`,
        1,
      );
    case "EACCES":
      return new StartError(
        `cannot listen on ${where}: not allowed (EACCES). Ports below 1024 need CAP_NET_BIND_SERVICE; or set server.port (SERVER_PORT, --port).`,
        1,
      );
    case "EADDRNOTAVAIL":
      return new StartError(
        `cannot listen on ${where}: this machine has no such address (EADDRNOTAVAIL). Set server.host (SERVER_HOST, --host); 0.0.0.0 is all of IPv4, :: is all.`,
        1,
      );
    default:
      return new StartError(`cannot listen on ${where}: ${code}`, 1);
  }
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new StartError(
      `cannot listen on ${host}: the name does not resolve. Set server.host to an address.`,
      1,
      {
        cause,
      },
    );
  }
}

/**
 * The class of Node's listening handles. It has no public name; a server that listens has one, and
 * `server.listen(handle)` and `process.send(message, handle)` are documented to take it.
 */
async function tcpHandleClass(): Promise<TcpHandleClass> {
  const server = createServer() as Server & { _handle: TcpHandle };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const handleClass = server._handle.constructor as TcpHandleClass;
  await new Promise((resolve) => server.close(resolve));
  return handleClass;
}
