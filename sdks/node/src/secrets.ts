// How secrets look where people see them: never whole.

/** As many as a platform may log; of a secret they tell its kind and environment only. */
const SHOWN_CHARS = 8;

/** A secret shorter than this would be given away by its first characters. */
const MASKABLE_CHARS = 24;

/** A server can nest an answer so deep that no stack would be deep enough. */
const DEPTH_MAX = 32;

/** Node asks an object by this name how it looks in logs and on consoles. */
export const inspect = Symbol.for("nodejs.util.inspect.custom");

/** The first eight characters of a secret, or nothing of it. */
export function mask(secret: string): string {
  return secret.length < MASKABLE_CHARS ? "…" : `${secret.slice(0, SHOWN_CHARS)}…`;
}

/** Takes secrets out of texts, and out of whatever holds texts. */
export class Redactor {
  readonly #forms: ReadonlyMap<string, string>;

  constructor(secrets: readonly string[]) {
    const forms = secrets.flatMap((secret) =>
      formsOf(secret).map((form) => [form, mask(secret)] as const),
    );
    this.#forms = new Map(forms.sort(([one], [other]) => other.length - one.length));
  }

  text(text: string): string {
    let redacted = text;
    for (const [form, masked] of this.#forms) redacted = redacted.replaceAll(form, masked);
    return redacted;
  }

  /** A copy of a value that was read from JSON, as deep as `depth`. */
  value(value: unknown, depth = DEPTH_MAX): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth === 0) return "…";
    if (Array.isArray(value)) return value.map((item) => this.value(item, depth - 1));
    const copied = Object.entries(value).map(
      ([name, held]) => [this.text(name), this.value(held, depth - 1)] as const,
    );
    return Object.fromEntries(copied);
  }
}

/** A secret as it is, in a URL and in JSON. */
function formsOf(secret: string): string[] {
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
}
