/**
 * GET / on the admin listener: the list of calls, until the console takes this place.
 */
import type { AdminAnswer } from "../../core/admin-call.ts";
import { textAnswer } from "./answers.ts";

const CALLS = `traffic-switching, admin API

POST /switch     {"version": "v2", "reason"?, "force"?, "dry_run"?, "expect"?, "wait"?, "hold"?}
POST /rollback   {"reason"?, "force"?, "expect"?, "hold"?}
POST /pause      {"for"?: "30s", "reason"?}   new requests wait
POST /resume     {}                           they go on
GET  /backends   the backends of every version
POST /backends   {"version", "backend": "http://...", "action": "add|remove|drain|enable|weight|reset", "weight"?, "reason"?, "force"?}
GET  /status     what serves, workers, health, drain, cool-down
GET  /metrics    Prometheus text; JSON with Accept: application/json
GET  /history    the switches and changes of backends that happened, newest first; ?limit=50
GET  /events     every change as it happens, as a stream of events (SSE)
GET  /livez      200 while the daemon runs
GET  /readyz     200 while every worker listens

Calls with POST need Content-Type: application/json and, once the config has a token, Authorization: Bearer.
"dry_run": true checks and changes nothing. "force": true skips the gate and the cool-down, and needs a reason.
With Idempotency-Key a repeated call of POST /switch or /rollback is the same switch.

  curl -sS -X POST -H 'Content-Type: application/json' -d '{"version":"v2","dry_run":true}' \\
    http://127.0.0.1:8081/switch
`;

export function getRoot(): AdminAnswer {
  return textAnswer(200, CALLS);
}
