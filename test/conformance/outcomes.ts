/** For cases where the RFCs leave a proxy a choice: it does it, repairs it or refuses it, but never a third thing. */
import assert from "node:assert/strict";
import type { RawClient, RawResponse } from "../support/raw-client.ts";
import type { Exchange, Scene } from "./case.ts";
import { get, OK } from "./case.ts";
import type { SeenRequest } from "./seen-request.ts";

/**
 * Sends a request that a proxy may refuse by itself, and answers it with `OK` when it does not.
 *
 * @returns what the backend saw; undefined when the proxy refused it with one of `statuses`.
 */
export async function forwardedOrRefused(
  { open, backend }: Scene,
  request: string,
  statuses: readonly number[] = [400],
): Promise<SeenRequest | undefined> {
  const client = await open();
  client.send(request);
  const isDecided = (): boolean =>
    backend.unclaimed.length > 0 || client.unread.length > 0 || client.ending !== undefined;
  await backend.until("the request to be forwarded or refused", isDecided);
  if (backend.unclaimed.length === 0) {
    const { status } = await client.readResponse();
    assert.ok(statuses.includes(status), `${status} is not ${statuses.join(" or ")}`);
    return undefined;
  }
  const seen = await backend.request();
  seen.answer(OK);
  assert.equal((await client.readResponse()).text, "ok");
  return seen;
}

/**
 * Lets the backend give an answer that nobody may pass on: the client gets a 502 of the proxy, the backend's
 * connection is closed, and the next client gets its own answer.
 */
export async function refusedAnswer(
  { exchange, settled }: Scene,
  answer: string | Uint8Array,
  request = get(),
): Promise<Exchange> {
  const exchanged = await exchange(request, answer);
  assert.equal(exchanged.answer.status, 502);
  await exchanged.seen.connection.waitClosed();
  await settled();
  return exchanged;
}

/**
 * Lets the backend give an answer that a proxy may mend or refuse.
 *
 * @returns the answer when it was mended; undefined when it became a 502.
 */
export async function mendedOrRefused(
  { exchange, settled }: Scene,
  answer: string,
  request = get(),
): Promise<RawResponse | undefined> {
  const { client, answer: given } = await exchange(request, answer);
  if (given.status !== 502) assertClean(given);
  assert.equal(client.unread.toString("latin1"), "", "one answer, not two");
  await settled();
  return given.status === 502 ? undefined : given;
}

/** What could be read as the end of a line or of a string further on. */
export function assertClean({ reason, headers }: Pick<RawResponse, "reason" | "headers">): void {
  for (const text of [reason, ...headers.flat()]) {
    for (const character of ["\r", "\n", "\0"]) {
      assert.ok(!text.includes(character), `${JSON.stringify(character)} in ${JSON.stringify(text)}`);
    }
  }
}

/** Reads an answer, broken off or not; undefined when the connection has ended without a byte of one. */
export async function readUnlessCut(client: RawClient): Promise<RawResponse | undefined> {
  try {
    return await client.readResponse({ allowBroken: true });
  } catch (error) {
    if (client.ending !== undefined && client.unread.length === 0) return undefined;
    throw error;
  }
}

/**
 * Reads an answer that must not look complete: a 502 instead of it, a message that breaks off, or none.
 *
 * @throws AssertionError when it has a clean end, and Error when its bytes make no message.
 */
export async function readBroken(client: RawClient): Promise<void> {
  const given = await readUnlessCut(client);
  if (given === undefined) return;
  assert.ok(
    given.status === 502 || !given.isComplete,
    `a whole ${given.status} with ${given.body.length} bytes`,
  );
}

/** Of a final answer; a proxy may send a 100 Continue before it. */
const STATUS_LINE = /^HTTP\/1\.[01] [2-9]/m;

/**
 * For what the RFCs let a proxy either refuse or repair: it refuses it, or the backend sees one well-formed request
 * that passes `check`, and nothing of what stands behind it.
 *
 * @param check of the whole request; nothing by default.
 */
export async function refusedOrRepaired(
  { open, backend, settled }: Scene,
  request: string,
  check: (seen: SeenRequest) => Promise<void> = async () => undefined,
): Promise<void> {
  const client = await open();
  client.send(request);
  const whole = (): SeenRequest[] => backend.requests.filter(({ isComplete }) => isComplete);
  const isDecided = (): boolean => isAnsweredOrClosed(client) || whole().length > 0;
  await backend.until("a whole request at the backend, or a refusal", isDecided);
  const [seen] = whole();
  if (seen) {
    await check(seen);
    seen.answer(OK);
    assert.equal((await client.readResponse()).text, "ok");
  } else {
    if (client.unread.length > 0) assertRefusal((await client.readResponse()).status);
    await client.waitClosed();
  }
  await settled();
  while (backend.unclaimed.length > 0) await backend.request(); // also one that broke off
  const targets = whole().map(({ target }) => target);
  assert.deepEqual(targets, seen ? [seen.target] : [], "the backend saw another request");
}

/**
 * For a body that cannot be read: whatever of the request has reached the backend never becomes a whole one there,
 * and both connections end, for nobody knows what would stand behind it.
 *
 * @returns the status of the refusal; undefined when the proxy just closed the connection.
 */
export async function neverWhole(scene: Scene, request: string): Promise<number | undefined> {
  const { open, backend, settled } = scene;
  backend.respond();
  const client = await open();
  client.send(request);
  await backend.until("an answer, or the connection to end", () => isAnsweredOrClosed(client));
  const status = client.unread.length > 0 ? (await client.readResponse()).status : undefined;
  if (status !== undefined) assertRefusal(status);
  await client.waitClosed();
  for (const { connection } of backend.requests) await connection.waitClosed();
  await settled();
  const whole = backend.requests.filter(({ isComplete }) => isComplete).map(({ head }) => head);
  assert.deepEqual(whole, [], "the backend saw a whole request");
  return status;
}

function isAnsweredOrClosed(client: RawClient): boolean {
  return STATUS_LINE.test(client.unread.toString("latin1")) || client.ending !== undefined;
}

function assertRefusal(status: number): void {
  assert.ok(status >= 400 && status <= 599, `${status} is no refusal`);
}
