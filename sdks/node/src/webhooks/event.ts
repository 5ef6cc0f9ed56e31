// What a message says, once it is known to be genuine.

import { WebhookVerificationError } from "./error.js";

/** What happened. A platform may add to it. */
export interface WebhookEvent<Data = Readonly<Record<string, unknown>>> {
  /** The same at every attempt: keep it, and take each event once. */
  readonly id: string;
  /** Such as `api_key.rotated`. */
  readonly type: string;
  readonly timestamp: string;
  readonly account: string;
  readonly external_account?: string | null;
  readonly environment: string;
  readonly data: Data;
}

export function event<Event>(body: Uint8Array): Event {
  let read: unknown;
  try {
    read = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    // What is not UTF-8 or not JSON is no object either.
  }
  if (typeof read === "object" && read !== null && !Array.isArray(read)) return read as Event;
  throw new WebhookVerificationError("malformed_body", "The body is not a JSON object.");
}
