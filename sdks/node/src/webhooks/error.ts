import { KeywayError, named } from "../errors.js";

/** Why a message is not accepted. */
export type WebhookProblem =
  | "missing_header"
  | "malformed_header"
  | "unknown_key"
  | "bad_signature"
  | "too_old"
  | "too_new"
  | "malformed_body";

/** The message is not from the platform, or not of now, or not whole. Answer it with 400. */
export class WebhookVerificationError extends KeywayError {
  declare readonly code: WebhookProblem;

  constructor(code: WebhookProblem, message: string) {
    super(message, { code });
  }

  static {
    named(this, "WebhookVerificationError");
  }
}
