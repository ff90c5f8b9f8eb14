/**
 * Outcome: what one attempt says of the backend it was made at. Whoever judges backends asks here, so that all go by
 * the same.
 */
import { FORWARD_ERRORS, type ForwardErrorCode } from "./errors.ts";

/** `none`: it says nothing of the backend. The client left, or the proxy itself refused or ended it. */
export type Outcome = "good" | "failed" | "none";

/** They speak of the request, which any client can make so: nobody can have a backend ejected with them. HAProxy does likewise. */
const NOT_IMPLEMENTED = 501;
const VERSION_NOT_SUPPORTED = 505;

/**
 * @param status the backend's own; means nothing when there is a code.
 * @param code what went wrong with it; null: the answer came whole.
 */
export function outcomeOf(status: number, code: ForwardErrorCode | null): Outcome {
  if (code !== null) return FORWARD_ERRORS[code].source === "backend" ? "failed" : "none";
  // One that says 4xx does its work: were it no outcome, a backend that wants a login could never be restored.
  if (status < 500 || status === NOT_IMPLEMENTED || status === VERSION_NOT_SUPPORTED) return "good";
  return "failed";
}
