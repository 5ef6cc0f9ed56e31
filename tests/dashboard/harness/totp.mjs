// Codes of an authenticator app (RFC 6238: SHA-1, 30 seconds, 6 digits), and which of them to use next.

import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const STEP_SECONDS = 30;
// A code of the step before is not begun with when it might arrive after this step's end.
const SPARE_SECONDS = 8;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export function fromBase32(text) {
  const bits = [...text.toUpperCase().replace(/[\s=-]/g, '')]
    .map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0'))
    .join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

/** The code of one step for a seed in bytes. */
export function code(seed, step, digits = 6) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', seed).update(counter).digest();
  const at = mac.at(-1) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 10 ** digits).padStart(digits, '0');
}

const now = () => Date.now() / 1000;
const stepNow = () => Math.floor(now() / STEP_SECONDS);

/**
 * The codes of one member. Each passes once, and only those of this step and of the one before pass,
 * so two can be had at once; after that each costs up to 30 seconds of waiting.
 */
export class Codes {
  #seed;
  #last = 0;
  #turn = Promise.resolve();

  constructor(secret) {
    this.#seed = fromBase32(secret);
  }

  /** A code that passes, once. */
  next() {
    this.#turn = this.#turn.then(() => this.#take());
    return this.#turn;
  }

  /** The newest code that was taken: it does not pass again. */
  used() {
    return code(this.#seed, this.#last);
  }

  /** Six digits that are no code of these minutes. */
  wrong() {
    const right = new Set();
    for (let off = -10; off <= 10; off += 1) right.add(code(this.#seed, stepNow() + off));
    return ['000000', '111111', '222222', '333333'].find((digits) => !right.has(digits)) ?? '987654';
  }

  async #take() {
    const current = stepNow();
    const left = (current + 1) * STEP_SECONDS - now();
    const oldest = left > SPARE_SECONDS ? current - 1 : current;
    const step = Math.max(oldest, this.#last + 1);
    if (step > current) await pause((step * STEP_SECONDS - now()) * 1000 + 50);
    this.#last = step;
    return code(this.#seed, step);
  }
}
