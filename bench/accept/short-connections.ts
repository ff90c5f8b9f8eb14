/**
 * A load of short connections: each carries one request with `Connection: close`. Some are always open; a
 * new one starts as soon as one ends. Every connection ends in one of a few ways, and none is forgotten.
 */
import { connect } from "node:net";

export type ConnectionEnd =
  | "answered"
  /** Never connected. */
  | "refused"
  /** Broken by a RST before the answer was complete. */
  | "reset"
  /** Closed in good order, without a complete answer. */
  | "closed"
  /** Nothing at all within the limit. */
  | "hung";

export interface FailedConnection {
  readonly end: Exclude<ConnectionEnd, "answered">;
  readonly localPort: number;
}

export interface ShortLoad {
  /** Starts no more, and resolves when the last one has ended. */
  stop(): Promise<{ answered: number; seconds: number; failed: FailedConnection[] }>;
}

const REQUEST = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
const HANG_LIMIT_MS = 2_000;
/** A refused connection would otherwise be tried again thousands of times in a second. */
const PAUSE_AFTER_FAILURE_MS = 5;

export function startShortConnections(port: number, concurrency: number): ShortLoad {
  const failed: FailedConnection[] = [];
  const startMs = performance.now();
  let answered = 0;
  let isStopping = false;
  const runOne = async (): Promise<void> => {
    while (!isStopping) {
      const { end, localPort } = await openOne(port);
      if (end === "answered") {
        if (!isStopping) answered++;
      } else {
        failed.push({ end, localPort });
        await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_FAILURE_MS));
      }
    }
  };
  const running = Array.from({ length: concurrency }, runOne);
  return {
    stop: async () => {
      isStopping = true;
      const seconds = (performance.now() - startMs) / 1_000;
      await Promise.all(running);
      return { answered, seconds, failed };
    },
  };
}

function openOne(port: number): Promise<{ end: ConnectionEnd; localPort: number }> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let localPort = 0;
    let received = "";
    let timer: NodeJS.Timeout | undefined;
    const settle = (end: ConnectionEnd): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ end, localPort });
    };
    timer = setTimeout(settle, HANG_LIMIT_MS, "hung");
    socket.on("connect", () => {
      localPort = socket.localPort ?? 0;
      socket.write(REQUEST);
    });
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
    });
    socket.on("end", () => settle(isWhole(received) ? "answered" : "closed"));
    socket.on("error", () => settle(localPort === 0 ? "refused" : "reset"));
  });
}

/** The answer is a pid, sent with its length. */
function isWhole(text: string): boolean {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  return head.startsWith("HTTP/1.1 200 ") && body !== "" && body.length === Number(length);
}
