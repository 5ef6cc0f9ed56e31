// What a client proves itself with: read from its options, sent with each request, never shown.

import { ConfigurationError } from "./errors.js";
import { mask, Redactor } from "./secrets.js";

/** A Client ID with its Client Secret, or an API key alone. */
export type CredentialOptions =
  | { readonly clientId: string; readonly clientSecret: string; readonly apiKey?: never }
  | { readonly apiKey: string; readonly clientId?: never; readonly clientSecret?: never };

/** No scheme has one that is so short; it could not be told from other text either. */
const SECRET_CHARS_MIN = 8;

const PRINTABLE = /^[\x21-\x7e]+$/;

export class Credentials {
  readonly #authorization: string;
  /** What may be shown: an id whole, of a secret its beginning. */
  readonly shown: Readonly<Record<string, string>>;
  readonly redactor: Redactor;

  constructor(options: CredentialOptions) {
    const { clientId, clientSecret, apiKey } = options;
    if (apiKey !== undefined && (clientId ?? clientSecret) !== undefined) {
      throw new ConfigurationError("Give clientId and clientSecret, or apiKey, not both.");
    }
    if (apiKey !== undefined) {
      const key = secret("apiKey", apiKey);
      this.#authorization = `Bearer ${key}`;
      this.shown = { apiKey: mask(key) };
      this.redactor = new Redactor([key]);
      return;
    }
    const id = printable("clientId", clientId);
    if (id.includes(":")) throw new ConfigurationError("clientId must not hold a colon.");
    const key = secret("clientSecret", clientSecret);
    const pair = btoa(`${id}:${key}`);
    this.#authorization = `Basic ${pair}`;
    this.shown = { clientId: id, clientSecret: mask(key) };
    this.redactor = new Redactor([key, pair]);
  }

  /** The value of the header; it is to go nowhere else. */
  authorization(): string {
    return this.#authorization;
  }
}

function secret(name: string, value: unknown): string {
  const text = printable(name, value);
  if (text.length < SECRET_CHARS_MIN) {
    throw new ConfigurationError(`${name} is too short: a part of it may be missing.`);
  }
  return text;
}

function printable(name: string, value: unknown): string {
  if (value === undefined || value === null || value === "") {
    throw new ConfigurationError(`${name} is not set. Is its environment variable?`);
  }
  if (typeof value !== "string" || !PRINTABLE.test(value)) {
    throw new ConfigurationError(`${name} must be text without spaces and line breaks.`);
  }
  return value;
}
