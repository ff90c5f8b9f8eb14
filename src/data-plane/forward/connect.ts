/**
 * Connect: one new connection to a backend, plain or TLS, within its time limits.
 *
 * TLS asks for the backend's own name, never for one that a client sent; an address is no such name (RFC 6066 §3).
 * Sessions are kept, so that the next connection resumes.
 */
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { causeText } from "../../core/cause-text.ts";
import { ProxyError } from "../../core/errors.ts";
import { hostOf, serverNameOf } from "../../core/host-of.ts";
import { PROBE_IDLE_AFTER_MS } from "../sockets/open-transport.ts";
import { Addresses, type ConnectTarget } from "./addresses.ts";

export interface ConnectLimits {
  readonly connectTimeoutMs: number;
  /** On top of the time to connect, for `https:`. */
  readonly tlsHandshakeTimeoutMs: number;
}

type Done = (error: ProxyError | null, socket: Socket | null) => void;

export class Connector {
  readonly #origin: URL;
  readonly #host: string;
  readonly #port: number;
  readonly #addresses: Addresses;
  readonly #limits: ConnectLimits;
  #session: Buffer | undefined;

  constructor(origin: URL, limits: ConnectLimits) {
    this.#origin = origin;
    this.#host = hostOf(origin.origin);
    this.#port = Number(origin.port) || (origin.protocol === "https:" ? 443 : 80);
    this.#limits = limits;
    this.#addresses = new Addresses(this.#host);
  }

  /**
   * For the next connections.
   *
   * @param addresses IP addresses; empty: the name is looked up when connecting.
   * @param mayBeOld where none of them can be connected to, the name is looked up too.
   */
  setAddresses(addresses: readonly string[], mayBeOld = false): void {
    this.#addresses.set(addresses, mayBeOld);
  }

  /**
   * Calls back once: with an open socket, or with BACKEND_CONNECT_FAILED or BACKEND_CONNECT_TIMEOUT.
   *
   * @returns gives it up; nothing is called back then.
   */
  connect(done: Done): () => void {
    let cancel = this.#open(this.#addresses.next(), (error, socket) => {
      if (error?.code !== "BACKEND_CONNECT_FAILED" || !this.#addresses.areDoubtful)
        return done(error, socket);
      cancel = this.#findOthers((others) => {
        if (others === null) done(error, null);
        else cancel = this.#open(others, done);
      });
    });
    return () => cancel();
  }

  /** Calls back once, in the time that there is to connect. @returns gives it up; nothing is called back then. */
  #findOthers(found: (target: ConnectTarget | null) => void): () => void {
    let isOver = false;
    const end = (): void => {
      isOver = true;
      clearTimeout(timer);
    };
    const settle = (target: ConnectTarget | null): void => {
      if (isOver) return;
      end();
      found(target);
    };
    const timer = setTimeout(settle, this.#limits.connectTimeoutMs, null); // getaddrinfo(3) has a limit of its own
    this.#addresses.findOthers(settle);
    return end;
  }

  #open(target: ConnectTarget, done: Done): () => void {
    const isTls = this.#origin.protocol === "https:";
    const options = this.#options(target);
    const socket = isTls ? this.#openTls(options) : connectTcp({ ...options, noDelay: true });
    let timer = setTimeout(onTimeout, this.#limits.connectTimeoutMs);
    const { origin } = this.#origin;
    /** What is being done, where that is no longer connecting. */
    let stage = "";
    const settle = (error: ProxyError | null): void => {
      clearTimeout(timer);
      socket
        .off("error", onError)
        .off("connect", onConnect)
        .off("secureConnect", onOpen)
        .off("close", onClose);
      if (error === null) return done(null, socket);
      socket.on("error", () => {}); // what it still has to say
      socket.destroy();
      done(error, null);
    };
    function onTimeout(): void {
      settle(new ProxyError("BACKEND_CONNECT_TIMEOUT", `${stage}no connection to ${origin} in time`));
    }
    const onError = (cause: Error): void => {
      const isTimeout = (cause as NodeJS.ErrnoException).code === "ETIMEDOUT";
      if (isTimeout) return onTimeout();
      const message = `cannot connect to ${origin}: ${stage}${describeError(cause)}`;
      settle(new ProxyError("BACKEND_CONNECT_FAILED", message, { cause }));
    };
    const onClose = (): void => {
      const message = `cannot connect to ${origin}: ${stage}it was closed at once`;
      settle(new ProxyError("BACKEND_CONNECT_FAILED", message));
    };
    const onOpen = (): void => {
      socket.setKeepAlive(true, PROBE_IDLE_AFTER_MS);
      settle(null);
    };
    const onConnect = (): void => {
      if (!isTls) return onOpen();
      stage = "TLS: ";
      clearTimeout(timer);
      timer = setTimeout(onTimeout, this.#limits.tlsHandshakeTimeoutMs);
    };
    socket.once("error", onError).once("connect", onConnect).once("close", onClose);
    if (isTls) socket.once("secureConnect", onOpen);
    return () => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
    };
  }

  /** Half-open: how the backend's end is taken is for the reader to say. */
  #options(target: ConnectTarget): TcpNetConnectOpts {
    return { ...target, port: this.#port, allowHalfOpen: true };
  }

  #openTls(options: TcpNetConnectOpts): Socket {
    const socket = process.getBuiltinModule("node:tls").connect({
      ...options,
      ...(isIP(this.#host) === 0 ? { servername: serverNameOf(this.#host) } : {}),
      ALPNProtocols: ["http/1.1"],
      session: this.#session,
    });
    socket.setNoDelay(true);
    socket.on("session", (session: Buffer) => {
      this.#session = session;
    });
    return socket;
  }
}

export function describeError(error: Error): string {
  if (error.message !== "") return causeText(error);
  // An AggregateError of several addresses that were tried has no text of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  if (first instanceof Error) return first.message;
  return (error as NodeJS.ErrnoException).code ?? error.name;
}
