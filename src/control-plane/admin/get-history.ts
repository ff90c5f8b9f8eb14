/**
 * GET /history: the switches and the changes of backends that happened, newest first. Refusals are none.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { ProxyError } from "../../core/errors.ts";
import { isSwitch } from "../switch/history-entry.ts";
import type { BackendsEntry, EntryKind, SwitchEntry } from "../switch/state-store.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;

/** @throws ProxyError MALFORMED_CALL for a bad `limit` or `kind`. */
export function getHistory(call: AdminCall, { store }: AdminDeps): AdminAnswer {
  const query = new URLSearchParams(call.target.split("?")[1]);
  const entries = store.history(readLimit(query), readKind(query));
  return jsonAnswer({
    entries: entries.map((entry) => (isSwitch(entry) ? publicSwitch(entry) : publicBackends(entry))),
  });
}

function readKind(query: URLSearchParams): EntryKind | null {
  const given = query.getAll("kind");
  if (given.length === 0) return null;
  const [kind] = given;
  if (given.length === 1 && (kind === "switch" || kind === "backends")) return kind;
  throw new ProxyError("MALFORMED_CALL", "kind must be switch or backends; without it both are listed");
}

function readLimit(query: URLSearchParams): number {
  const given = query.getAll("limit");
  if (given.length === 0) return DEFAULT_LIMIT;
  const limit = given.length === 1 && /^\d{1,4}$/.test(given[0] ?? "") ? Number(given[0]) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new ProxyError("MALFORMED_CALL", `limit must be one whole number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}

/** Without the digests of Idempotency-Keys and without this machine's clock. */
function publicSwitch(entry: SwitchEntry) {
  const { epoch, from, to, at, trigger, forced, reason, actor, duration_ms, gate, hash, prev } = entry;
  return { epoch, from, to, at, trigger, forced, reason, actor, duration_ms, gate, hash, prev };
}

function publicBackends(entry: BackendsEntry) {
  const { epoch, version, backend, action, weight, at, trigger, forced, reason, actor, hash, prev } = entry;
  return { epoch, version, backend, action, weight, at, trigger, forced, reason, actor, hash, prev };
}
