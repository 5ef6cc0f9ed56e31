// What came back: a value, or the error that it says.

import type { Incoming } from "./attempt.js";
import { retryAfterMs } from "./backoff.js";
import { ApiError, apiError } from "./errors.js";
import type { Redactor } from "./secrets.js";

/** A success. */
export interface Answer<T> {
  readonly data: T;
  readonly status: number;
  readonly headers: Headers;
  /** Finds the request in the platform's records. */
  readonly requestId: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads an answer. */
export function answer<T>(incoming: Incoming, redactor: Redactor): Answer<T> {
  const { response, text } = incoming;
  const { status, headers } = response;
  const body = parse(text);
  const requestId = requestIdOf(headers, body, redactor);
  if (!response.ok) throw refusal(response, redactor.value(body ?? text), requestId);
  if (body === undefined && text !== "") {
    const message = "The answer is not JSON: does baseUrl lead to the API?";
    throw new ApiError(message, { code: "unreadable_answer", status, requestId });
  }
  return { data: body as T, status, headers, requestId };
}

/** The body's JSON; undefined if it is none. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function refusal(response: Response, body: unknown, requestId: string | undefined): ApiError {
  const { status, headers } = response;
  const outer = fields(body);
  // Some platforms put what is wrong beside the status, some into an object of its own.
  const inner = typeof outer["error"] === "object" ? fields(outer["error"]) : outer;
  const code = text(inner["code"]) ?? text(inner["error_code"]) ?? `http_${status}`;
  const message = text(inner["message"]) ?? `The API answered ${status}`;
  const trace = requestId === undefined ? "" : `, request ${requestId}`;
  return apiError(`${message} (${status} ${code}${trace})`, {
    code,
    status,
    requestId,
    param: text(inner["param"]),
    retryAfterMs: retryAfterMs(headers.get("retry-after"), Date.now()),
    body,
  });
}

function requestIdOf(headers: Headers, body: unknown, redactor: Redactor): string | undefined {
  const header = headers.get("request-id") ?? headers.get("x-request-id");
  const id = header ?? text(fields(body)["request_id"]);
  return id === undefined ? undefined : redactor.text(id);
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
