/**
 * Real backends for tests, in the test's own process, on free loopback ports: one over node:http that
 * remembers what it was asked, one over node:net that says whatever bytes the test wants.
 */
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from "node:http";
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from "node:net";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { DEFAULT_LIMIT_MS, withLimit } from "./wait.ts";

export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  /** Name, value, name, value, …, as they came. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage["headers"];
  /** What has arrived of the body so far, whether or not the listener has read it. */
  readonly bodyBytes: number;
  /** The whole message has arrived. */
  readonly isComplete: boolean;
  /** The port at the other end: the same for requests on one connection. */
  readonly remotePort: number;
}

export interface BackendOptions {
  /** 0, the default, is any free one. */
  port?: number;
  /** Another address of loopback, 127.0.0.1 unless given. */
  host?: string;
  /** For createServer; a kept-alive connection stays open for 60 s unless this says otherwise. */
  server?: ServerOptions;
}

/** Answers 200 `ok` to everything unless told otherwise. Ends with the test. */
export async function startBackend(
  t: TestEnd,
  listener: RequestListener = answerOk,
  options: BackendOptions = {},
): Promise<TestBackend> {
  const backend = new TestBackend(createServer({ keepAliveTimeout: 60_000, ...options.server }));
  backend.server.on("request", listener);
  await backend.listen(t, options.port, options.host);
  return backend;
}

/**
 * Hands every connection to `onSocket`, with its number from 0; an error on one surprises nobody. Ends
 * with the test.
 */
export async function startRawBackend(
  t: TestEnd,
  onSocket: (socket: Socket, index: number) => void,
  options: { port?: number; host?: string; allowHalfOpen?: boolean } = {},
): Promise<RawBackend> {
  const backend = new RawBackend(createNetServer({ allowHalfOpen: options.allowHalfOpen ?? false }));
  let index = 0;
  backend.server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    onSocket(socket, index++);
  });
  await backend.listen(t, options.port, options.host);
  return backend;
}

/** What both kinds share: a listening server that knows its connections. */
export class RawBackend<S extends NetServer = NetServer> {
  readonly server: S;
  /** Connections that were ever opened. */
  connectionsTotal = 0;
  #port = 0;
  #host = "127.0.0.1";
  readonly #sockets = new Set<Socket>();

  constructor(server: S) {
    this.server = server;
    server.on("connection", (socket: Socket) => {
      this.connectionsTotal++;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return this.#port;
  }

  /** `http://127.0.0.1:port`, no slash at the end; with its own address when it was given one. */
  get url(): string {
    return `http://${this.#host}:${this.#port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Resolves with the next connection that is accepted after this call. */
  async connectionSeen(limitMs = DEFAULT_LIMIT_MS): Promise<Socket> {
    const connected = once(this.server, "connection") as Promise<[Socket]>;
    const [socket] = await withLimit(connected, limitMs, `a connection to ${this.url}`);
    return socket;
  }

  /** Cuts every connection and goes on listening. */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops listening and cuts every connection; harmless when done already. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, "close");
    this.server.close();
    this.closeConnections();
    await withLimit(closed, DEFAULT_LIMIT_MS, `the backend ${this.url} to close`);
  }

  async listen(t: TestEnd, port = 0, host = this.#host): Promise<void> {
    this.#host = host;
    this.server.listen(port, host);
    await once(this.server, "listening");
    this.#port = (this.server.address() as AddressInfo).port;
    onTestEnd(t, () => this.close());
  }
}

export class TestBackend extends RawBackend<Server> {
  /** Every request so far, probes included, oldest first. */
  readonly requests: RecordedRequest[] = [];
  readonly #watchers = new Set<(request: RecordedRequest) => void>();

  constructor(server: Server) {
    super(server);
    const record = (req: IncomingMessage): void => this.#record(req);
    server.on("request", record);
    // Only once the test handles them: a listener for one of these changes what node:http does.
    for (const event of ["upgrade", "checkContinue", "checkExpectation", "connect"]) {
      server.on("newListener", (added, handler) => {
        const isFirst = added === event && handler !== record && server.listenerCount(event) === 0;
        if (isFirst) server.on(event, record);
      });
    }
  }

  /** Resolves with the next request that arrives after this call and matches. */
  requestSeen(
    matches: (request: RecordedRequest) => boolean = () => true,
    limitMs = DEFAULT_LIMIT_MS,
  ): Promise<RecordedRequest> {
    return withLimit(this.#next(matches), limitMs, `a request at ${this.url}`, () => this.#summary());
  }

  /** Resolves when `count` requests have arrived since the start; at once when they have. */
  async requestsSeen(count: number, limitMs = DEFAULT_LIMIT_MS): Promise<void> {
    if (this.requests.length >= count) return;
    const enough = this.#next(() => this.requests.length >= count);
    await withLimit(enough, limitMs, `${count} requests at ${this.url}`, () => this.#summary());
  }

  #next(matches: (request: RecordedRequest) => boolean): Promise<RecordedRequest> {
    return new Promise((resolve) => {
      const watch = (request: RecordedRequest): void => {
        if (!matches(request)) return;
        this.#watchers.delete(watch);
        resolve(request);
      };
      this.#watchers.add(watch);
    });
  }

  #record(req: IncomingMessage): void {
    const request = recordRequest(req);
    this.requests.push(request);
    for (const watch of this.#watchers) watch(request);
  }

  #summary(): string {
    const last = this.requests.slice(-10).map(({ method, url }) => `${method} ${url}`);
    return `${this.requests.length} requests came, the last: ${last.join(", ")}`;
  }
}

function answerOk(req: IncomingMessage, res: Parameters<RequestListener>[1]): void {
  req.resume();
  res.end("ok");
}

function recordRequest(req: IncomingMessage): RecordedRequest {
  let bodyBytes = 0;
  const push = req.push;
  // Counted as it arrives, without reading it: the listener alone decides on back-pressure.
  req.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk instanceof Uint8Array) bodyBytes += chunk.byteLength;
    return push.call(req, chunk, encoding);
  };
  return {
    method: req.method ?? "",
    url: req.url ?? "",
    httpVersion: req.httpVersion,
    rawHeaders: [...req.rawHeaders],
    headers: req.headers,
    remotePort: req.socket.remotePort ?? 0,
    get bodyBytes() {
      return bodyBytes;
    },
    get isComplete() {
      return req.complete;
    },
  };
}
