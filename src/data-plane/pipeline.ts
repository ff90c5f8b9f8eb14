/**
 * Pipeline: READ FIRST. The way of every request through a worker:
 *
 *   admit ─► one of the admin paths? relay it to the primary
 *      └───► is a hold on? wait until it is over, and come again
 *              └───► pick (a backend of the active version) ─► forward, with its upgrade ─► record
 *
 * Each step refuses by a code of core/errors.ts. A request reads what is served once, here.
 */
import { ERROR_CODES, type ForwardErrorCode } from "../core/errors.ts";
import type { RequestHead } from "../wire/request-head.ts";
import { admit } from "./admit/admit.ts";
import type { OfVersion } from "./backend/backend.ts";
import { errorFields, errorText } from "./forward/error-reply.ts";
import { Exchange } from "./forward/exchange.ts";
import type { ForwardContext } from "./forward/forward-context.ts";
import { clientOf, forwardedRequest } from "./forward/headers.ts";
import { answerAsLast } from "./forward/max-forwards.ts";
import type { Way } from "./held-request.ts";
import type { Hold } from "./hold.ts";
import type { AdminRelay } from "./listener/admin-relay.ts";
import type { ClientConnection } from "./listener/client-connection.ts";
import type { Recorder } from "./record/record.ts";
import type { Serving } from "./serving.ts";

export interface Steps {
  readonly serving: Serving;
  readonly maxInFlight: number;
  readonly adminRelay: AdminRelay;
  readonly hold: Hold;
  readonly forward: Omit<ForwardContext, "onEnd">;
  readonly recorder: Recorder;
}

/** An answer of our own. */
interface Reply {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string | Buffer;
  readonly mustClose: boolean;
}

/** What becomes of a request that has come. */
export type OnRequest = (client: ClientConnection, head: RequestHead) => void;

export function createPipeline(steps: Steps): OnRequest {
  const { serving, maxInFlight, adminRelay, recorder, hold } = steps;
  const forward: ForwardContext = {
    ...steps.forward,
    onEnd: ({ backend, method, status, startedAtMs }) =>
      recorder.request(backend, method, status, performance.now() - startedAtMs),
  };

  const reply = (
    active: OfVersion,
    client: ClientConnection,
    method: string,
    { status, fields, body, mustClose }: Reply,
  ): void => {
    recorder.request(active, method, status, 0);
    // A client that does not take its answers gets no more of them: they would pile up here.
    client.answer(status, fields, body, mustClose || !client.isFlushed());
    client.flush();
    client.finish();
  };
  const refuse = (
    active: OfVersion,
    client: ClientConnection,
    method: string,
    code: ForwardErrorCode,
    message: string,
  ): void => {
    const { status, source } = ERROR_CODES[code];
    forward.onFailure(active, code, message);
    const body = errorText(code, message);
    reply(active, client, method, {
      status,
      fields: errorFields(code),
      body,
      mustClose: source === "client",
    });
  };

  /** @param heldSinceMs of one that was held, when it came; 0 of any other. */
  const serve = (client: ClientConnection, head: RequestHead, heldSinceMs = 0): void => {
    const { active } = serving.current; // read once: a switch never splits a request
    const { method } = head;
    const admitted = admit(head, client.side.lastHost);
    if (admitted.code !== null) return refuse(active, client, method, admitted.code, admitted.message);
    if (adminRelay.isOurs(admitted.target)) return adminRelay.relay(admitted.target, head, client);
    const isHeld = hold.isOn && heldSinceMs === 0;
    // Those that wait will all run at once: none of them may be one too many then.
    const inFlight = isHeld ? forward.load.inFlight + hold.held : forward.load.inFlight;
    if (inFlight >= maxInFlight) {
      return refuse(active, client, method, "TOO_MANY_REQUESTS_IN_FLIGHT", "too many requests in flight");
    }
    if (isHeld) return hold.take(client, head, way);
    const pinned = active.sticky === null ? null : active.sticky.backendOf(head.fields);
    const keyHash =
      active.keyHash === null
        ? 0
        : active.keyHash(head.fields, admitted.target, clientOf(head, client.side, forward.policy));
    const backend = pinned !== null && active.weightOf(pinned) > 0 ? pinned : active.pick(keyHash);
    if (backend === null) {
      const message = `no backend of ${active.version} is available`;
      return refuse(active, client, method, "NO_BACKEND_AVAILABLE", message);
    }
    const request = forwardedRequest(head, admitted, client.side, backend.authority, forward.policy);
    if ("code" in request) return refuse(active, client, method, request.code, request.message);
    const last = answerAsLast(head);
    if (last !== null) return reply(active, client, method, { ...last, status: 200, mustClose: false });
    const startedAtMs = heldSinceMs === 0 ? performance.now() : heldSinceMs;
    const exchange = new Exchange(forward, client, active, backend, request, startedAtMs);
    exchange.pinned = pinned;
    exchange.keyHash = keyHash;
    client.run(exchange);
    exchange.start();
  };

  const way: Way = {
    goOn: serve,
    refuse: (client, method, code, message) => refuse(serving.current.active, client, method, code, message),
    onGone: (method, heldSinceMs) => {
      const { active } = serving.current; // where it would have gone
      recorder.request(active, method, ERROR_CODES.CLIENT_ABORTED.status, performance.now() - heldSinceMs);
      forward.onFailure(active, "CLIENT_ABORTED", "the client left while its request was held");
    },
  };
  return serve;
}
