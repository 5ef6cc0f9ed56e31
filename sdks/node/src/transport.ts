// One call, from its arguments to its answer, with as many tries as it may take.

import process from "node:process";

import { answer, type Answer } from "./answer.js";
import { attempt } from "./attempt.js";
import { pause, pauseMs } from "./backoff.js";
import type { Credentials } from "./credentials.js";
import { ConfigurationError } from "./errors.js";
import { limits, type Settings } from "./settings.js";
import { type Query, target } from "./target.js";
import { VERSION } from "./version.js";

/** What can be said about one call. */
export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly maxRetries?: number | undefined;
  /**
   * Makes a repeated request harmless. A `POST` gets one by itself, the same at every try; `false`
   * sends none, and then the call is tried once.
   */
  readonly idempotencyKey?: string | false | undefined;
}

/** What can be said about a call to any path. */
export interface RequestOptions extends CallOptions {
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const METHOD = /^[A-Z]+$/;
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

export class Transport {
  readonly #credentials: Credentials;
  readonly #settings: Settings;

  constructor(credentials: Credentials, settings: Settings) {
    this.#credentials = credentials;
    this.#settings = settings;
  }

  async send<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    if (!METHOD.test(method)) throw new ConfigurationError("A method is written in capitals.");
    const { fetch, baseUrl } = this.#settings;
    const { redactor } = this.#credentials;
    const { body, query, signal } = options;
    const { timeoutMs, maxRetries } = limits(options, this.#settings);
    const key = idempotencyKey(method, options.idempotencyKey);
    const request = {
      method,
      url: target(baseUrl, path, query),
      headers: this.#headers(options, key),
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs,
      signal,
    };
    const retries = SAFE.has(method) || key !== undefined ? maxRetries : 0;
    for (let tried = 1; ; tried += 1) {
      try {
        signal?.throwIfAborted();
        return answer<T>(await attempt(fetch, request, redactor), redactor);
      } catch (failure) {
        const waitMs = tried <= retries ? pauseMs(failure, tried, Math.random) : undefined;
        if (waitMs === undefined) throw failure;
        await pause(waitMs, signal);
      }
    }
  }

  #headers(options: RequestOptions, key: string | undefined): Headers {
    const headers = new Headers(options.headers);
    headers.set("accept", "application/json");
    headers.set("user-agent", `keyway-node/${VERSION} node/${process.version.slice(1)}`);
    if (options.body !== undefined) headers.set("content-type", "application/json");
    if (key !== undefined) headers.set("idempotency-key", key);
    headers.set("authorization", this.#credentials.authorization());
    return headers;
  }
}

function idempotencyKey(method: string, given: string | false | undefined): string | undefined {
  if (given === false) return undefined;
  if (given === undefined) return method === "POST" ? crypto.randomUUID() : undefined;
  if (IDEMPOTENCY_KEY.test(given)) return given;
  throw new ConfigurationError("An idempotency key is 1 to 255 printable characters.");
}
