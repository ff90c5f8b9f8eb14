/**
 * One call of the admin API as plain values, the same whether it came in on the admin listener or was
 * relayed by a worker from the traffic port.
 */
export interface AdminCall {
  readonly method: string;
  /** The target as it came, query included: `/switch?x=1`. */
  readonly target: string;
  /** The fields that the admin API reads (`ADMIN_HEADERS`), names in lower case; the first of each only. */
  readonly headers: Readonly<Partial<Record<AdminHeader, string>>>;
  /** Empty when there was none; at most `ADMIN_BODY_LIMIT_BYTES`. */
  readonly body: string;
  /** The peer address of the socket, never what a header claims; "" on a Unix socket. */
  readonly remoteAddress: string;
  /** `socket` is the admin listener on a Unix socket. */
  readonly listener: "admin" | "socket" | "traffic";
  /** Whom the client's certificate names, when the handshake has asked for one and checked it. */
  readonly clientName?: string;
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * An answer that has a head and then goes on until one side ends it; its `body` is empty. On the admin listener
 * only: a worker relays whole answers.
 */
export interface AdminStream extends AdminAnswer {
  /** Called once the head is on its way; not for HEAD. @returns what is called when the connection is gone. */
  open(sink: AdminSink): () => void;
}

/** Where a stream is written to. Nothing here waits or throws, also when the client has left. */
export interface AdminSink {
  write(text: string): void;
  /** What was written and has not been handed to the system yet. */
  waitingBytes(): number;
  /** Ends it in order; a client that does not take what still waits is cut soon after. */
  end(): void;
  /** Cuts it. */
  destroy(): void;
}

/** Every request field that the admin API looks at. */
export const ADMIN_HEADERS = [
  "accept",
  "authorization",
  "content-type",
  "host",
  "idempotency-key",
  "last-event-id",
  "origin",
] as const;
export type AdminHeader = (typeof ADMIN_HEADERS)[number];

export const ADMIN_BODY_LIMIT_BYTES = 16 * 1024;
export const ADMIN_BODY_TIMEOUT_MS = 10_000;

/** The paths that are ours on the traffic port; every other one belongs to the backends. */
export const TRAFFIC_PORT_PATHS: ReadonlySet<string> = new Set(["/switch", "/status", "/metrics"]);
