// When to try again, and after how long.

import { ApiError, ConnectionError, TimeoutError } from "./errors.js";

/** Answers that may be another one a moment later. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

const FIRST_MS = 500;
const LONGEST_MS = 8_000;
/** Nobody is kept waiting for longer: the error says when to come back, and the caller decides. */
const ASKED_MS_MAX = 60_000;
/** Those who were told the same moment shall not all come at it. */
const SPREAD_MS = 250;

/** How long to wait after the failure of try number `tried`, from 1; undefined is for ever. */
export function pauseMs(failure: unknown, tried: number, random: () => number): number | undefined {
  if (failure instanceof ConnectionError || failure instanceof TimeoutError) {
    return backoffMs(tried, random);
  }
  if (!(failure instanceof ApiError) || !PASSING.has(failure.status)) return undefined;
  const asked = failure.retryAfterMs;
  if (asked === undefined) return backoffMs(tried, random);
  if (asked > ASKED_MS_MAX) return undefined;
  return Math.max(asked + random() * SPREAD_MS, backoffMs(tried, random));
}

/** Twice as long each time, of which a random half. */
function backoffMs(tried: number, random: () => number): number {
  const whole = Math.min(FIRST_MS * 2 ** (tried - 1), LONGEST_MS);
  return whole / 2 + (random() * whole) / 2;
}

/** What `Retry-After` asks for, in seconds or as a date. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}(\.\d{1,3})?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  const at = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** Waits, but not on after an abort. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
