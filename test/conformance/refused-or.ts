/** Requests that a proxy may answer in more than one way: refuse them, or leave no doubt in them. */
import assert from "node:assert/strict";
import type { RawClient } from "../support/raw-client.ts";
import { OK, type Scene } from "./case.ts";
import type { SeenRequest } from "./seen-request.ts";

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
  const whole = backend.requests.filter(({ isComplete }) => isComplete).map(({ head }) => head);
  assert.deepEqual(whole, [], "the backend saw a whole request");
  if (status !== undefined) assertRefusal(status);
  await client.waitClosed();
  for (const { connection } of backend.requests) await connection.waitClosed();
  await settled();
  return status;
}

function isAnsweredOrClosed(client: RawClient): boolean {
  return STATUS_LINE.test(client.unread.toString("latin1")) || client.ending !== undefined;
}

function assertRefusal(status: number): void {
  assert.ok(status >= 400 && status <= 599, `${status} is no refusal`);
}
