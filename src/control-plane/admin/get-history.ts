/**
 * GET /history: the switches that happened, newest first. Refusals are none.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import type { HistoryEntry } from "../switch/state-store.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;

/** @throws ProxyError MALFORMED_CALL for a bad `limit`. */
export function getHistory(call: AdminCall, { store }: AdminDeps): AdminAnswer {
  return jsonAnswer({ entries: store.history(readLimit(call.target)).map(publicEntry) });
}

function readLimit(target: string): number {
  const given = new URLSearchParams(target.split("?")[1]).getAll("limit");
  if (given.length === 0) return DEFAULT_LIMIT;
  const limit = given.length === 1 && /^\d{1,4}$/.test(given[0] ?? "") ? Number(given[0]) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new ProxyError("MALFORMED_CALL", `limit must be one whole number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}

/** Without the digests of Idempotency-Keys and without this machine's clock. */
function publicEntry(entry: HistoryEntry) {
  const { epoch, from, to, at, trigger, forced, reason, actor, duration_ms, gate, hash, prev } = entry;
  return { epoch, from, to, at, trigger, forced, reason, actor, duration_ms, gate, hash, prev };
}
