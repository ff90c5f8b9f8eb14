/** One case against one running proxy: its scene, its time limit, and what every case must leave behind. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { openRaw, type RawClient } from "../support/raw-client.ts";
import { withLimit } from "../support/wait.ts";
import { OK, type RecordingBackend } from "./backend.ts";
import type { Case, Scene } from "./case.ts";
import { inOneLine } from "./one-line.ts";
import type { RunningTarget } from "./targets/target.ts";

export const DEFAULT_CASE_LIMIT_MS = 5_000;
/** Of a case's limit, so that the wait that failed is what the case fails with. */
const WAIT_PART = 0.6;
const RECOVERY_LIMIT_MS = 5_000;
const RECOVERY_INTERVAL_MS = 50;

/**
 * Runs it, and leaves no connection of it behind on either side.
 *
 * @throws whatever the case throws, with what the backend objected to; and when the case left something that it must not.
 */
export async function runCase(one: Case, target: RunningTarget, backend: RecordingBackend): Promise<void> {
  const limitMs = one.limitMs ?? DEFAULT_CASE_LIMIT_MS;
  backend.waitLimitMs = limitMs * WAIT_PART;
  const clients: RawClient[] = [];
  const scene = sceneOf(target, backend, clients);
  try {
    await withLimit(one.run(scene), limitMs, "the case to end");
    checkBackend(backend);
  } catch (error) {
    throw withViolations(error, backend);
  } finally {
    for (const client of clients) client.destroy();
    await backend.reset();
  }
}

/** Whether the proxy answers as it should once a case is over, or soon after: a worker that crashed is replaced. */
export async function isItselfAgain(target: RunningTarget, backend: RecordingBackend): Promise<boolean> {
  const endMs = performance.now() + RECOVERY_LIMIT_MS;
  const clients: RawClient[] = [];
  const scene = sceneOf(target, backend, clients);
  while (performance.now() < endMs) {
    try {
      await scene.settled();
      return true;
    } catch {
      await delay(RECOVERY_INTERVAL_MS); // a refused connection fails at once
    } finally {
      for (const client of clients.splice(0)) client.destroy();
      await backend.reset();
    }
  }
  return false;
}

function sceneOf(target: RunningTarget, backend: RecordingBackend, clients: RawClient[]): Scene {
  const { host, port } = target;
  const open: Scene["open"] = async (options = {}) => {
    const limitMs = backend.waitLimitMs;
    const client = await openRaw(port, { host, limitMs, waitLimitMs: limitMs, ...options });
    clients.push(client);
    for (const event of ["data", "end", "close"]) client.socket.on(event, () => backend.changed.notify());
    return client;
  };
  return {
    backend,
    host,
    port,
    open,
    exchange: async (request, answer = OK, options = {}) => {
      const { client = await open(), ...reading } = options;
      client.send(request);
      const seen = await backend.requestUnless(() => ownAnswer(client));
      seen.answer(answer);
      return { client, seen, answer: await client.readResponse(reading) };
    },
    refused: async (request, status = 400) => {
      const client = await open();
      const answer = await client.send(request).readResponse();
      const statuses = typeof status === "number" ? [status] : status;
      assert.ok(statuses.includes(answer.status), `${answer.status} is not ${statuses.join(" or ")}`);
      await client.waitClosed();
      assert.equal(client.unread.toString("latin1"), "", "one answer, not two");
      await settle(open, backend);
      assert.deepEqual(
        backend.requests.map(({ head }) => head),
        [],
        "the backend saw a request",
      );
      return answer;
    },
    settled: () => settle(open, backend),
    daemon: () => {
      assert.ok(target.daemon, "this case is about our own daemon");
      return target.daemon;
    },
  };
}

/** What the proxy did with a request instead of forwarding it. */
function ownAnswer(client: RawClient): string | undefined {
  const [statusLine = ""] = client.unread.toString("latin1").split("\r\n");
  if (statusLine !== "") return `the proxy answered by itself: ${statusLine}`;
  return client.ending && `the proxy closed the client's connection (${client.ending})`;
}

async function settle(open: Scene["open"], backend: RecordingBackend): Promise<void> {
  const body = randomBytes(8).toString("hex");
  backend.expectFence(`/fence-${body}`, body);
  const client = await open();
  client.send(`GET /fence-${body} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
  const answer = await client.readResponse();
  client.destroy();
  assert.deepEqual([answer.status, answer.text], [200, body], "the next client got another's answer");
}

function checkBackend(backend: RecordingBackend): void {
  assert.deepEqual(backend.violations, [], "the backend saw what is no well-formed request");
  const unasked = backend.unclaimed.map(({ head }) => head);
  assert.deepEqual(unasked, [], "the backend saw a request that the case did not expect");
}

function withViolations(error: unknown, backend: RecordingBackend): unknown {
  const { violations } = backend;
  const isTold = error instanceof Error && violations.some((what) => error.message.includes(what));
  if (violations.length === 0 || isTold) return error;
  const message = inOneLine(error);
  return new Error(`${message}\nthe backend saw what is no well-formed request: ${violations.join("; ")}`, {
    cause: error,
  });
}
