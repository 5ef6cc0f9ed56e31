// A message as it came: its bytes, and its headers, which come in several shapes.

import { ConfigurationError } from "../errors.js";
import { WebhookVerificationError } from "./error.js";

/** The raw body: what was signed is its bytes, not what they mean. */
export type Body = string | Uint8Array;

/** Headers of `fetch`, of Node's `http`, or any record of them. */
export type HeadersLike =
  | Headers
  | Readonly<Record<string, string | readonly string[] | undefined>>;

export function bytes(body: Body): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body;
  throw new ConfigurationError("Give the raw body, as it came: a string or bytes, not an object.");
}

/** The one value of a header. */
export function header(headers: HeadersLike, name: string): string {
  const values = valuesOf(headers, name);
  const [value] = values;
  if (value === undefined || value === "") {
    throw new WebhookVerificationError("missing_header", `The header ${name} is missing.`);
  }
  if (values.length > 1) {
    throw new WebhookVerificationError("malformed_header", `The header ${name} came twice.`);
  }
  return value;
}

function valuesOf(headers: HeadersLike, name: string): string[] {
  if (headers instanceof Headers) {
    const value = headers.get(name);
    return value === null ? [] : [value];
  }
  return Object.entries(headers)
    .filter(([held]) => held.toLowerCase() === name)
    .flatMap(([, value]) => value ?? []);
}
