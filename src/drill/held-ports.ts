/**
 * Held ports: the connections of one process, as the kernel tells it. Reads /proc, so Linux only.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const STOP_LOOKS = 200;
/** The other end of a socket that listens. */
const LISTENS = 0;

/**
 * Stops the process with SIGSTOP, so that it takes and closes nothing while we look.
 *
 * @param localPort the end of the process; IPv4.
 * @returns the ports of the other ends; null where the system does not tell.
 */
export function stopAndListPorts(pid: number, localPort: number): ReadonlySet<number> | null {
  process.kill(pid, "SIGSTOP");
  try {
    for (let look = 0; look < STOP_LOOKS && !isStopped(pid); look++); // within microseconds
    const inodes = socketsOf(pid);
    const table = readFileSync("/proc/net/tcp", "latin1").trimEnd().split("\n").slice(1);
    return new Set(
      table.flatMap((line) => {
        const entry = parseLine(line);
        const isHeld = entry.localPort === localPort && inodes.has(entry.inode);
        return isHeld && entry.remotePort !== LISTENS ? [entry.remotePort] : [];
      }),
    );
  } catch {
    return null;
  }
}

/** proc_pid_stat(5): the state comes after the name, which may hold spaces. */
function isStopped(pid: number): boolean {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).startsWith("T");
}

function socketsOf(pid: number): Set<string> {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

/** proc_net_tcp.txt: `sl local_address rem_address st queues timer retransmits uid timeout inode …`. */
function parseLine(line: string): { localPort: number; remotePort: number; inode: string } {
  const [, local = "", remote = "", , , , , , , inode = ""] = line.trim().split(/\s+/);
  return { localPort: portOf(local), remotePort: portOf(remote), inode };
}

/** `0100007F:1F90`, in hex. */
function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(":") + 1), 16);
}
