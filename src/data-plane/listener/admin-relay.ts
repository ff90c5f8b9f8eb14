/**
 * Admin relay: `/switch`, `/status` and `/metrics` on the traffic port, carried to the primary and back.
 *
 * Decides only which paths are ours; who may do what is the primary's to say (access.ts).
 */
import {
  ADMIN_BODY_LIMIT_BYTES,
  ADMIN_BODY_TIMEOUT_MS,
  type AdminAnswer,
  type AdminCall,
  TRAFFIC_PORT_PATHS,
} from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { answerFields, bodyText, pickHeaders, tooLarge, tooSlow } from "../../http/admin-exchange.ts";
import { problemAnswer, problemFromError } from "../../http/problem.ts";
import type { RequestHead } from "../../wire/request-head.ts";
import type { ClientEvents } from "../forward/client-stream.ts";
import { kept } from "../sockets/read-buffers.ts";
import type { ClientConnection } from "./client-connection.ts";

/** Asks the primary; null when it does not answer. */
export type AskPrimary = (call: AdminCall) => Promise<AdminAnswer | null>;

export interface AdminRelay {
  /** A look-alike (`/switch/`, `//switch`, `/%73witch`) is the backends'. */
  isOurs(target: string): boolean;
  relay(target: string, head: RequestHead, client: ClientConnection): void;
}

/** By the first letter of their names the others are told apart without a look into the set. */
const SECOND_OCTETS = new Uint8Array(256);
for (const path of TRAFFIC_PORT_PATHS) SECOND_OCTETS[path.charCodeAt(1)] = 1;

export function createAdminRelay(isOn: boolean, ask: AskPrimary): AdminRelay {
  return {
    isOurs: (target) => {
      if (!isOn || SECOND_OCTETS[target.charCodeAt(1)] !== 1) return false; // nearly all of them
      const end = target.indexOf("?");
      return TRAFFIC_PORT_PATHS.has(end === -1 ? target : target.slice(0, end));
    },
    relay: (target, head, client) => new RelayedCall(target, head, client, ask).start(),
  };
}

/** One call: its body is gathered, the primary asked, its answer written. */
class RelayedCall implements ClientEvents {
  readonly #target: string;
  readonly #client: ClientConnection;
  readonly #ask: AskPrimary;
  readonly #method: string;
  readonly #list: readonly string[];
  readonly #hasBody: boolean;
  readonly #isTooLarge: boolean;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The body is in, or no longer wanted. */
  #isSettled = false;
  #isAnswered = false;

  constructor(target: string, head: RequestHead, client: ClientConnection, ask: AskPrimary) {
    this.#target = target;
    this.#client = client;
    this.#ask = ask;
    this.#method = head.method;
    this.#list = head.fields.toList();
    this.#hasBody = head.isChunked || head.contentLength > 0;
    this.#isTooLarge = head.contentLength > ADMIN_BODY_LIMIT_BYTES;
  }

  start(): void {
    this.#client.run(this);
    if (this.#isTooLarge) return this.#refuse(tooLarge());
    if (!this.#hasBody) return this.onBodyEnd();
    this.#timer = setTimeout(() => this.#refuse(tooSlow(ADMIN_BODY_TIMEOUT_MS)), ADMIN_BODY_TIMEOUT_MS);
    this.#client.writeContinue();
    this.#client.resumeBody();
  }

  onBodyPiece(piece: Buffer): void {
    if (this.#isSettled) return;
    this.#bytes += piece.length;
    if (this.#bytes > ADMIN_BODY_LIMIT_BYTES) this.#refuse(tooLarge());
    else this.#pieces.push(kept(piece));
  }

  onBodyReadDone(): void {}

  onBodyEnd(): void {
    if (this.#isSettled) return;
    this.#settle();
    void this.#relay();
  }

  onBodyFault(_: string, message: string): void {
    this.#refuse(new ProxyError("MALFORMED_CALL", message));
  }

  onClientDrained(): void {
    if (!this.#isAnswered || !this.#client.isFlushed()) return;
    clearTimeout(this.#timer);
    this.#client.finish();
  }

  onClientGone(): void {
    this.#settle();
    this.#isAnswered = true;
  }

  async #relay(): Promise<void> {
    try {
      const headers = pickHeaders(this.#list);
      const body = bodyText(Buffer.concat(this.#pieces));
      const remoteAddress = this.#client.side.address;
      const call = { method: this.#method, target: this.#target, headers, body, remoteAddress };
      const answer = await this.#ask({ ...call, listener: "traffic" });
      this.#answer(answer ?? problemAnswer("NOT_READY", "the primary does not answer"), false);
    } catch (error) {
      if (error instanceof ProxyError) this.#answer(problemFromError(error), false);
      else this.#answer(problemAnswer("ADMIN_INTERNAL_ERROR", "internal error"), false);
    }
  }

  #refuse(error: ProxyError): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#answer(problemFromError(error), true);
  }

  #settle(): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
  }

  #answer(answer: AdminAnswer, mustClose: boolean): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#client.answer(answer.status, Object.entries(answerFields(answer)).flat(), answer.body, mustClose);
    this.#client.flush();
    // It must not hold its connection by not reading either.
    this.#timer = setTimeout(() => this.#client.close(), ADMIN_BODY_TIMEOUT_MS);
    this.onClientDrained();
  }
}
