/** One HTTP request of the demo or the drill, over a connection of its own. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";

export interface Call {
  readonly method: string;
  readonly url: string;
  /** Sent as JSON. */
  readonly body?: object;
}

const CALL_LIMIT_MS = 10_000;

/** Rejects when it fails or takes longer than 10 s. */
export async function call({ method, url, body }: Call): Promise<{ status: number; body: string }> {
  const outgoing = request(url, {
    method,
    agent: false,
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
    headers: body ? { "Content-Type": "application/json" } : {},
  });
  outgoing.end(body && JSON.stringify(body));
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return { status: response.statusCode ?? 0, body: text };
}
