// One try of a call: a request, and the whole answer within its time.

import { ApiError, ConnectionError, KeywayError, TimeoutError } from "./errors.js";
import type { Redactor } from "./secrets.js";

export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The answer with its body, which may be anything that a server can say. */
export interface Incoming {
  readonly response: Response;
  readonly text: string;
}

const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** An error's cause has one too, and so on; a few of them say what there is to say. */
const CAUSES_MAX = 4;

export async function attempt(
  fetch: typeof globalThis.fetch,
  request: Outgoing,
  redactor: Redactor,
): Promise<Incoming> {
  const { method, url, headers, timeoutMs, signal } = request;
  const what = redactor.text(`${method} ${url.origin}${url.pathname}`);
  const ending = new AbortController();
  const late = new TimeoutError(`${what}: no answer in ${timeoutMs} ms`, { code: "timeout" });
  const timer = setTimeout(() => ending.abort(late), timeoutMs);
  const stop = () => ending.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const body = request.body ?? null;
    // A redirect is not followed: the credential is for this server, the answer for this call.
    const sent = { method, headers, body, redirect: "manual", signal: ending.signal } as const;
    const response = await fetch(url, sent);
    return { response, text: await read(response) };
  } catch (failure) {
    if (ending.signal.aborted) throw ending.signal.reason;
    if (failure instanceof KeywayError) throw failure;
    // Made anew of its words: what a `fetch` throws may hold the request, and so the credential.
    const { code, words } = told(failure);
    throw new ConnectionError(redactor.text(`${what}: ${words}`), { code: redactor.text(code) });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function read(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      await reader.cancel();
      const facts = { code: "answer_too_large", status: response.status };
      throw new ApiError(`The answer has more than ${BODY_BYTES_MAX} bytes`, facts);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The innermost code, and the messages from the outside in. */
function told(failure: unknown): { code: string; words: string } {
  let code = "connection_failed";
  const messages: string[] = [];
  let cause: unknown = failure;
  for (let depth = 0; cause instanceof Error && depth < CAUSES_MAX; depth += 1) {
    if (cause.message !== "") messages.push(cause.message);
    if ("code" in cause && typeof cause.code === "string") code = cause.code;
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause;
  }
  return { code, words: messages.length > 0 ? messages.join(": ") : "no answer" };
}
