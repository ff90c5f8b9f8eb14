/** A request with a body, answered when all of it has come: the usual case, and no early answer. */
import { type Exchange, OK, type Scene } from "./case.ts";

export interface Upload extends Exchange {
  readonly body: string;
}

/** Like `exchange`. */
export async function upload(
  { open, backend }: Scene,
  request: string,
  answer = OK,
  method = "POST",
): Promise<Upload> {
  const client = await open();
  client.send(request);
  const refusal = (): string | undefined =>
    client.unread.length > 0 ? `the proxy answered by itself: ${client.unread}` : client.ending;
  const seen = await backend.requestUnless(refusal);
  const body = (await seen.body()).toString("latin1");
  seen.answer(answer);
  return { client, seen, body, answer: await client.readResponse({ method }) };
}
