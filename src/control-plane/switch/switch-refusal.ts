/**
 * SwitchRefusal: why a call changed nothing, with what the answer says besides code and message. Holds no rule.
 */
import { type AdminErrorCode, ProxyError } from "../../core/errors.ts";

export class SwitchRefusal extends ProxyError {
  /** Further members of the answer, in snake_case. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Whole seconds, at least 1; undefined when there is nothing to wait for. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: AdminErrorCode,
    message: string,
    {
      details = {},
      retryAfterSeconds,
    }: { details?: Readonly<Record<string, unknown>>; retryAfterSeconds?: number } = {},
  ) {
    super(code, message);
    this.name = "SwitchRefusal";
    this.details = details;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
