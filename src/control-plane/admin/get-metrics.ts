/**
 * GET /metrics: all workers together, as Prometheus text, OpenMetrics or JSON, whichever the client likes best.
 */
import type { AdminAnswer, AdminCall } from "../../core/admin-call.ts";
import { preferredType } from "../../http/accept.ts";
import { EXPOSITION_TYPES, type ExpositionFormat } from "../../telemetry/exposition.ts";
import type { AdminDeps } from "./admin-deps.ts";
import { jsonAnswer } from "./answers.ts";

export async function getMetrics(call: AdminCall, { metrics }: AdminDeps): Promise<AdminAnswer> {
  const type = preferredType(call.headers.accept, [
    "text/plain",
    "application/json",
    "application/openmetrics-text",
  ]);
  if (type === "application/json") return jsonAnswer(await metrics.summary());
  const format: ExpositionFormat = type === "text/plain" ? "prometheus" : "openmetrics";
  return {
    status: 200,
    headers: { "Content-Type": EXPOSITION_TYPES[format] },
    body: await metrics.text(format),
  };
}
