/** What the kernel knows of the TCP connections over IPv4 of this machine. Reads /proc, so Linux only. */
import { readFileSync } from "node:fs";

export interface TcpEntry {
  readonly localPort: number;
  readonly remotePort: number;
  /** As in include/net/tcp_states.h. */
  readonly state: number;
  /** Bytes that were written and the other end has not taken yet, and bytes that came and were not read yet. */
  readonly sendQueueBytes: number;
  readonly receiveQueueBytes: number;
  /** What the kernel does next by itself, and when; "none": nothing. */
  readonly timer: "none" | "other" | "keep-alive";
  readonly timerMs: number;
}

/** Of the kernel's clock as it is told to people, proc(5). */
const TICK_MS = 10;
const KEEP_ALIVE = 2;

const SYN_SENT = 2;

/** Each end of a connection has an entry of its own. Empty where there is no /proc. */
export function tcpTable(): TcpEntry[] {
  let text: string;
  try {
    text = readFileSync("/proc/net/tcp", "latin1");
  } catch {
    return [];
  }
  return text.trimEnd().split("\n").slice(1).map(parseLine);
}

/** Connections to `port` that are being opened and were not answered yet. */
export function connectionsBeingOpened(port: number): number {
  return tcpTable().filter(({ remotePort, state }) => remotePort === port && state === SYN_SENT).length;
}

/** proc_net_tcp.txt: `sl local_address rem_address st tx_queue:rx_queue tr:when …`, all in hex. */
function parseLine(line: string): TcpEntry {
  const [, local = "", remote = "", state = "", queues = "", timer = ""] = line.trim().split(/\s+/);
  const [sendQueue = "", receiveQueue = ""] = queues.split(":");
  const [kind = "", ticks = ""] = timer.split(":");
  const kindNumber = Number.parseInt(kind, 16);
  return {
    localPort: portOf(local),
    remotePort: portOf(remote),
    state: Number.parseInt(state, 16),
    sendQueueBytes: Number.parseInt(sendQueue, 16),
    receiveQueueBytes: Number.parseInt(receiveQueue, 16),
    timer: kindNumber === 0 ? "none" : kindNumber === KEEP_ALIVE ? "keep-alive" : "other",
    timerMs: Number.parseInt(ticks, 16) * TICK_MS,
  };
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(":") + 1), 16);
}
