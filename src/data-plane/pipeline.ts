/**
 * Pipeline: READ FIRST. The way of every request through a worker:
 *
 *   admit ─► one of the admin paths? relay it to the primary
 *      └───► pick (the active version's backend) ─► forward, or upgrade ─► record
 *
 * Each step refuses by a code of core/errors.ts. A request reads what is served once, here.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ERROR_CODES, type ForwardErrorCode } from "../core/errors.ts";
import { type AdmitLimits, admit } from "./admit/admit.ts";
import type { Backend } from "./backend/backend.ts";
import { replyWithError, writeRawError } from "./forward/error-reply.ts";
import { Exchange, type ForwardContext } from "./forward/exchange.ts";
import { type ClientSide, type RequestHeaders, requestHeaders } from "./forward/headers.ts";
import { isWebSocketHandshake, type Upgrade } from "./forward/upgrade.ts";
import type { AdminRelay } from "./listener/admin-relay.ts";
import type { Recorder } from "./record/record.ts";
import type { Serving } from "./serving.ts";

export interface Steps {
  readonly serving: Serving;
  readonly limits: AdmitLimits & { readonly maxInFlight: number };
  readonly adminRelay: AdminRelay;
  readonly describeClient: (request: IncomingMessage) => ClientSide;
  readonly forward: Omit<ForwardContext, "onEnd">;
  readonly upgrade: Upgrade;
  readonly recorder: Recorder;
}

export interface Pipeline {
  readonly onRequest: RequestListener;
  isUpgrade(request: IncomingMessage): boolean;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What a request is forwarded with, or why it is not. */
type Readied =
  | { readonly code: null; readonly target: string; readonly headers: RequestHeaders }
  | { readonly code: ForwardErrorCode; readonly message: string };

const admitRequest = (
  { httpVersion, method = "", url = "", rawHeaders }: IncomingMessage,
  limits: AdmitLimits,
): ReturnType<typeof admit> => admit(httpVersion, method, url, rawHeaders, limits);

export function createPipeline(steps: Steps): Pipeline {
  const { serving, limits, adminRelay, describeClient, upgrade, recorder } = steps;
  const forward: ForwardContext = {
    ...steps.forward,
    onEnd: ({ backend, method, status, startedAtMs }) =>
      recorder.request(backend, method, status, performance.now() - startedAtMs),
  };

  const readyToForward = (request: IncomingMessage, target: string, authority: string | null): Readied => {
    if (forward.load.inFlight >= limits.maxInFlight) {
      return { code: "TOO_MANY_REQUESTS_IN_FLIGHT", message: "too many requests in flight" };
    }
    const headers = requestHeaders(
      request.rawHeaders,
      describeClient(request),
      authority,
      request.httpVersionMinor > 0,
    );
    return headers === null
      ? {
          code: "MALFORMED_REQUEST",
          message: "no Host field or more than one, or a body whose length is not clear",
        }
      : { code: null, target, headers };
  };

  const noteRefusal = (
    request: IncomingMessage,
    backend: Backend,
    code: ForwardErrorCode,
    message: string,
  ): void => {
    forward.onFailure(backend, code, message);
    recorder.request(backend, request.method ?? "", ERROR_CODES[code].status, 0);
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { active } = serving.current; // read once: a switch never splits a request
    const refuse = (code: ForwardErrorCode, message: string): void => {
      noteRefusal(request, active, code, message);
      replyWithError(response, code, message, ERROR_CODES[code].source === "client");
    };
    const admitted = admitRequest(request, limits);
    if (admitted.code !== null) return refuse(admitted.code, admitted.message);
    if (adminRelay.isOurs(admitted.target)) return adminRelay.relay(admitted.target, request, response);
    const ready = readyToForward(request, admitted.target, admitted.authority);
    if (ready.code !== null) return refuse(ready.code, ready.message);
    new Exchange(forward, request, response, active, ready.target, ready.headers).start();
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { active } = serving.current;
    const refuse = (code: ForwardErrorCode, message: string): void => {
      noteRefusal(request, active, code, message);
      socket.on("error", () => {});
      writeRawError(socket, code, message);
    };
    const admitted = admitRequest(request, limits);
    if (admitted.code !== null) return refuse(admitted.code, admitted.message);
    const ready = readyToForward(request, admitted.target, admitted.authority);
    if (ready.code !== null) return refuse(ready.code, ready.message);
    upgrade(request, socket, head, active, ready.target, ready.headers);
  };

  // An admin path is answered as one, whatever upgrade is asked for.
  const isUpgrade = (request: IncomingMessage): boolean =>
    isWebSocketHandshake(request) && !adminRelay.isOurs(request.url ?? "");

  return { onRequest, isUpgrade, onUpgrade };
}
