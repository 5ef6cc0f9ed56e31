// A platform's own form of signature, as its scheme declares it under `[webhooks]`.

import { createHmac } from "node:crypto";

import { ConfigurationError } from "../errors.js";
import { judgeAge, seconds, type VerifyOptions } from "./age.js";
import { areEqual } from "./equal.js";
import { WebhookVerificationError } from "./error.js";
import { event, type WebhookEvent } from "./event.js";
import { type Body, bytes, header, type HeadersLike } from "./message.js";

/** What the scheme says, in its words. */
export interface PlatformForm {
  readonly id_header: string;
  readonly signature_header: string;
  readonly salt_header: string;
  readonly timestamp_header: string;
  /** The signed parts, in their order. */
  readonly message: readonly ("url" | "salt" | "timestamp" | "id" | "secret" | "body")[];
  readonly encoding: "hex" | "base64-of-hex";
}

/** The credential that signs: its public id and its secret. */
export interface Pair {
  readonly id: string;
  readonly secret: string;
}

export interface FormOptions extends VerifyOptions {
  readonly form: PlatformForm;
  /** The endpoint's URL, exactly as it was given to the platform. */
  readonly url: string;
}

/**
 * The event of a genuine message in a platform's own form. While a credential is rotated, give the
 * old pair and the new one.
 */
export function verifyForm<Event = WebhookEvent>(
  body: Body,
  headers: HeadersLike,
  pairs: Pair | readonly Pair[],
  options: FormOptions,
): Event {
  const { form, url } = options;
  const known = [pairs].flat();
  if (known.length === 0 || !known.every(({ id, secret }) => id && secret)) {
    throw new ConfigurationError("A pair is an id and a secret.");
  }
  const raw = bytes(body);
  const id = header(headers, form.id_header);
  const salt = header(headers, form.salt_header);
  const timestamp = seconds(form.timestamp_header, header(headers, form.timestamp_header));
  const signature = header(headers, form.signature_header);
  const pair = known.find((pair) => pair.id === id);
  if (pair === undefined) {
    throw new WebhookVerificationError("unknown_key", "It is signed by a key that is not known.");
  }
  const parts = { url, salt, timestamp, id, secret: pair.secret, body: raw };
  const hmac = createHmac("sha256", pair.secret);
  for (const part of form.message) hmac.update(parts[part]);
  const hex = hmac.digest("hex");
  if (!areEqual(signature, form.encoding === "hex" ? hex : btoa(hex))) {
    const message = "The signature does not fit: another secret, URL, or other bytes.";
    throw new WebhookVerificationError("bad_signature", message);
  }
  judgeAge(timestamp, options);
  return event<Event>(raw);
}
