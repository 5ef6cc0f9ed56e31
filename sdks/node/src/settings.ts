// How a client calls: where, for how long, how often. Read once from its options.

import type { CredentialOptions } from "./credentials.js";
import { ConfigurationError } from "./errors.js";

export type KeywayOptions = CredentialOptions & {
  /** Where the API is, such as `https://api.example.com`; a prefix of all paths may follow. */
  readonly baseUrl?: string | undefined;
  /** Whether `baseUrl` may be plain http: for a network of your own, where others cannot listen. */
  readonly allowHttp?: boolean | undefined;
  /** How long one try may take, the answer's body included: 30 seconds unless it is given. */
  readonly timeoutMs?: number | undefined;
  /** How often a call that failed is tried again: 2 unless it is given. */
  readonly maxRetries?: number | undefined;
  /** What sends requests: Node's own `fetch` unless it is given. */
  readonly fetch?: typeof globalThis.fetch | undefined;
};

/** What holds for every try, and for all of a call. */
export interface Limits {
  readonly timeoutMs: number;
  readonly maxRetries: number;
}

export interface Settings extends Limits {
  readonly baseUrl: URL;
  readonly fetch: typeof globalThis.fetch;
}

const USUAL: Limits = { timeoutMs: 30_000, maxRetries: 2 };
/** The longest that a timer of Node can be set to. */
const TIMEOUT_MS_MAX = 2_147_483_647;
const RETRIES_MAX = 10;

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export function settings(options: KeywayOptions, baseUrl: string | undefined): Settings {
  return {
    baseUrl: url(options.baseUrl ?? baseUrl, options.allowHttp ?? false),
    fetch: options.fetch ?? globalThis.fetch,
    ...limits(options, USUAL),
  };
}

/** What is given, within its bounds, or else what is usual. */
export function limits(
  given: { readonly timeoutMs?: number | undefined; readonly maxRetries?: number | undefined },
  usual: Limits,
): Limits {
  return {
    timeoutMs: whole("timeoutMs", given.timeoutMs ?? usual.timeoutMs, 1, TIMEOUT_MS_MAX),
    maxRetries: whole("maxRetries", given.maxRetries ?? usual.maxRetries, 0, RETRIES_MAX),
  };
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ConfigurationError(`${name} must be a whole number from ${min} to ${max}.`);
}

/** A secret goes over the network with each request: encrypted, unless it is said to be safe. */
function url(text: string | undefined, allowHttp: boolean): URL {
  if (!text) throw new ConfigurationError("baseUrl is not set: where is the API?");
  if (!URL.canParse(text)) throw new ConfigurationError("baseUrl is not a URL.");
  const url = new URL(text);
  const isHttp = url.protocol === "http:" && (allowHttp || LOOPBACK.test(url.hostname));
  if (url.protocol !== "https:" && !isHttp) {
    throw new ConfigurationError("baseUrl must begin with https://, unless it is on this machine.");
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new ConfigurationError("baseUrl is a host and a path, without user, query and fragment.");
  }
  return url;
}
