/**
 * Pipeline: READ FIRST. The way of every request through a worker:
 *
 *   admit ─► one of the admin paths? relay it to the primary
 *      └───► pick (the active version's backend) ─► forward, with its upgrade ─► record
 *
 * Each step refuses by a code of core/errors.ts. A request reads what is served once, here.
 */
import { ERROR_CODES, type ForwardErrorCode } from "../core/errors.ts";
import type { RequestHead } from "../wire/request-head.ts";
import { admit } from "./admit/admit.ts";
import { errorFields, errorText } from "./forward/error-reply.ts";
import { Exchange, type ForwardContext } from "./forward/exchange.ts";
import { forwardedRequest } from "./forward/headers.ts";
import { answerAsLast } from "./forward/max-forwards.ts";
import type { AdminRelay } from "./listener/admin-relay.ts";
import type { ClientConnection } from "./listener/client-connection.ts";
import type { Recorder } from "./record/record.ts";
import type { Serving } from "./serving.ts";

export interface Steps {
  readonly serving: Serving;
  readonly maxInFlight: number;
  readonly adminRelay: AdminRelay;
  readonly forward: Omit<ForwardContext, "onEnd">;
  readonly recorder: Recorder;
}

/** What becomes of a request that has come. */
export type OnRequest = (client: ClientConnection, head: RequestHead) => void;

export function createPipeline({ serving, maxInFlight, adminRelay, recorder, ...steps }: Steps): OnRequest {
  const forward: ForwardContext = {
    ...steps.forward,
    onEnd: ({ backend, method, status, startedAtMs }) =>
      recorder.request(backend, method, status, performance.now() - startedAtMs),
  };

  return (client, head) => {
    const { active } = serving.current; // read once: a switch never splits a request
    const reply = (
      status: number,
      fields: readonly string[],
      body: string | Buffer,
      mustClose: boolean,
    ): void => {
      recorder.request(active, head.method, status, 0);
      // A client that does not take its answers gets no more of them: they would pile up here.
      client.answer(status, fields, body, mustClose || !client.isFlushed());
      client.flush();
      client.finish();
    };
    const refuse = (code: ForwardErrorCode, message: string): void => {
      const { status, source } = ERROR_CODES[code];
      forward.onFailure(active, code, message);
      reply(status, errorFields(code), errorText(code, message), source === "client");
    };
    const admitted = admit(head);
    if (admitted.code !== null) return refuse(admitted.code, admitted.message);
    if (adminRelay.isOurs(admitted.target)) return adminRelay.relay(admitted.target, head, client);
    if (forward.load.inFlight >= maxInFlight) {
      return refuse("TOO_MANY_REQUESTS_IN_FLIGHT", "too many requests in flight");
    }
    const request = forwardedRequest(head, admitted, client.side, active.authority, forward.policy);
    if ("code" in request) return refuse(request.code, request.message);
    const last = answerAsLast(head);
    if (last !== null) return reply(200, last.fields, last.body, false);
    const exchange = new Exchange(forward, client, active, request);
    client.run(exchange);
    exchange.start();
  };
}
