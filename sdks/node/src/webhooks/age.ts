// Whether a message is of now: an old one may be a copy that somebody sends again.

import { ConfigurationError } from "../errors.js";
import { WebhookVerificationError } from "./error.js";

export interface VerifyOptions {
  /** How far the message's time may be off, either way: 300 seconds unless it is given. */
  readonly toleranceSeconds?: number | undefined;
  /** The present time in milliseconds: `Date.now` unless it is given. */
  readonly now?: (() => number) | undefined;
}

const TOLERANCE_SECONDS = 300;
const SECONDS = /^\d{1,12}$/;

/** Refuses a time that is too far off. */
export function judgeAge(timestamp: string, options: VerifyOptions): void {
  const nowSeconds = Math.floor((options.now ?? Date.now)() / 1_000);
  const tolerance = options.toleranceSeconds ?? TOLERANCE_SECONDS;
  if (!(tolerance >= 0)) throw new ConfigurationError("toleranceSeconds must be 0 or more.");
  const age = nowSeconds - Number(timestamp);
  if (age > tolerance) {
    throw new WebhookVerificationError("too_old", `The message was sent ${age} s ago.`);
  }
  if (-age > tolerance) {
    const message = `The message is ${-age} s ahead of this machine's clock.`;
    throw new WebhookVerificationError("too_new", message);
  }
}

/** A time in Unix seconds, as text: the text is what was signed. */
export function seconds(name: string, value: string): string {
  if (SECONDS.test(value)) return value;
  const message = `The header ${name} is not a time in seconds.`;
  throw new WebhookVerificationError("malformed_header", message);
}
