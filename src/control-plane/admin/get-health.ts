/**
 * GET /livez and GET /readyz: yes or no for a machine, open to all. They say nothing else.
 */
import type { AdminAnswer } from "../../core/admin-call.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { textAnswer } from "./answers.ts";

/** Whoever can answer lives. */
export function getLivez(): AdminAnswer {
  return textAnswer(200, "ok\n");
}

export function getReadyz({ readiness }: AdminDeps): AdminAnswer {
  const { ready, why } = readiness();
  return ready ? textAnswer(200, "ok\n") : textAnswer(503, `not ready: ${why}\n`);
}
