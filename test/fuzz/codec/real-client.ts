/**
 * A ClientConnection, as it is in a worker, over a transport in memory. Each request is read to its end and answered;
 * what can be seen from outside is what it read.
 */
import { admit } from "../../../src/data-plane/admit/admit.ts";
import type { ClientEvents } from "../../../src/data-plane/forward/client-stream.ts";
import {
  ClientConnection,
  type ConnectionContext,
  keepAliveLines,
} from "../../../src/data-plane/listener/client-connection.ts";
import { clientSide } from "../../../src/data-plane/listener/client-side.ts";
import type { RequestHead } from "../../../src/wire/request-head.ts";
import { LIMITS } from "./limits.ts";
import { MemoryTransport } from "./memory-transport.ts";
import { type Ending, linesToList, type Message, type Reading } from "./reading.ts";
import { requestHeadOf } from "./request-reader.ts";

const NO_CONTENT = 204;
const UNKNOWN = 0;

export class RealClient implements Reading {
  readonly messages: Message[] = [];
  readonly used = UNKNOWN;
  readonly #transport = new MemoryTransport();
  #isRefused = false;

  constructor() {
    const context: ConnectionContext = {
      limits: {
        headerTimeoutMs: UNKNOWN,
        keepAliveTimeoutMs: UNKNOWN,
        maxHeaderBytes: LIMITS.maxHeaderBytes,
        maxHeaderCount: LIMITS.maxHeaderCount,
        maxTargetBytes: LIMITS.maxHeaderBytes,
        maxRequestsPerConnection: Number.POSITIVE_INFINITY,
      },
      keepAliveLines: keepAliveLines(0),
      coarse: { nowMs: 0 },
      ending: { isEnding: false },
      onRequest: (client, head) => this.#onRequest(client, head),
      onRefusal: () => {
        this.#isRefused = true;
      },
    };
    new ClientConnection(this.#transport, clientSide("127.0.0.1", false), context);
  }

  get ending(): Ending {
    if (this.#isRefused) return "refused";
    return this.#transport.isClosed ? "over" : "waiting";
  }

  feed(bytes: Buffer): void {
    if (!this.#transport.isDestroyed) this.#transport.deliver(bytes);
  }

  #onRequest(client: ClientConnection, head: RequestHead): void {
    const message: Message = {
      start: UNKNOWN,
      head: requestHeadOf(head, head.fields.text),
      body: "",
      trailers: [],
      end: -1,
    };
    this.messages.push(message);
    const hasBody = head.isChunked || head.contentLength > 0;
    const answer = (mustClose: boolean): void => {
      client.answer(NO_CONTENT, [], "", mustClose);
      client.finish();
    };
    const events: ClientEvents = {
      onBodyPiece: (piece) => {
        message.body += piece.toString("latin1");
      },
      onBodyReadDone: () => undefined,
      onBodyEnd: (trailers) => {
        message.trailers = linesToList(trailers);
        message.end = UNKNOWN;
        answer(false);
      },
      onBodyFault: () => {
        this.#isRefused = true;
        answer(true);
      },
      onClientDrained: () => undefined,
      onClientGone: () => undefined,
    };
    const isAdmitted = admit(head, client.side.lastHost).code === null;
    if (!isAdmitted || !hasBody) {
      message.end = UNKNOWN;
      return answer(!isAdmitted);
    }
    client.run(events);
    client.resumeBody();
  }
}
