import { createHmac } from "node:crypto";

import { ConfigurationError } from "../errors.js";
import { judgeAge, seconds, type VerifyOptions } from "./age.js";
import { areEqual } from "./equal.js";
import { WebhookVerificationError } from "./error.js";
import { event, type WebhookEvent } from "./event.js";
import { type Body, bytes, header, type HeadersLike } from "./message.js";

const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

/** More than two never sign at once; the rest is somebody else's. */
const SIGNATURES_MAX = 16;

/**
 * The event of a genuine message, signed as Standard Webhooks has it. While a secret is rotated,
 * give the old one and the new one.
 */
export function verify<Event = WebhookEvent>(
  body: Body,
  headers: HeadersLike,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Event {
  const keys = [secrets].flat().map(key);
  if (keys.length === 0) throw new ConfigurationError("Give a webhook's secret.");
  const raw = bytes(body);
  const id = header(headers, "webhook-id");
  const timestamp = seconds("webhook-timestamp", header(headers, "webhook-timestamp"));
  const signatures = header(headers, "webhook-signature").split(" ").slice(0, SIGNATURES_MAX);
  let isSigned = false;
  for (const key of keys) {
    const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(raw);
    const wanted = `v1,${hmac.digest("base64")}`;
    // All are compared, so that the time does not tell which one fits.
    for (const signature of signatures) isSigned = areEqual(signature, wanted) || isSigned;
  }
  if (!isSigned) {
    const message = "No signature fits: another secret, or not the bytes that were sent.";
    throw new WebhookVerificationError("bad_signature", message);
  }
  judgeAge(timestamp, options);
  return event<Event>(raw);
}

function key(secret: string): Uint8Array {
  const encoded = typeof secret === "string" ? SECRET.exec(secret)?.[1] : undefined;
  if (!encoded) throw new ConfigurationError("A webhook's secret is whsec_ and base64.");
  return Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
}
