// What can go wrong, as classes that a program can tell apart. No error ever holds a secret.

/** What an error knows beside its message. */
export interface Facts {
  readonly code: string;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
}

/** Everything that this package throws, but for what an `AbortSignal` of yours was aborted with. */
export class KeywayError extends Error {
  /** A stable word for a program. */
  readonly code: string;
  /** The status of the answer, if there was one. */
  readonly status: number | undefined;
  /** Finds the request in the platform's records. */
  readonly requestId: string | undefined;

  constructor(message: string, facts: Facts) {
    super(message);
    this.code = facts.code;
    this.status = facts.status;
    this.requestId = facts.requestId;
  }

  static {
    named(this, "KeywayError");
  }
}

/** The options, or the arguments of a call, cannot be right; nothing was sent. */
export class ConfigurationError extends KeywayError {
  constructor(message: string) {
    super(message, { code: "configuration" });
  }

  static {
    named(this, "ConfigurationError");
  }
}

/** No answer: the server was not reached, or the connection broke. */
export class ConnectionError extends KeywayError {
  static {
    named(this, "ConnectionError");
  }
}

/** No whole answer within `timeoutMs`. */
export class TimeoutError extends KeywayError {
  static {
    named(this, "TimeoutError");
  }
}

/** What an answer that is no success says. */
export interface ApiFacts extends Facts {
  readonly status: number;
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly body?: unknown;
}

/** The API answered, and the answer is no. */
export class ApiError extends KeywayError {
  declare readonly status: number;
  /** The field that is wrong, where the API says which. */
  readonly param: string | undefined;
  /** How long the API asks to wait before the next try. */
  readonly retryAfterMs: number | undefined;
  /** The answer as it was read: JSON, or text. */
  readonly body: unknown;

  constructor(message: string, facts: ApiFacts) {
    super(message, facts);
    this.param = facts.param;
    this.retryAfterMs = facts.retryAfterMs;
    this.body = facts.body;
  }

  static {
    named(this, "ApiError");
  }
}

/** 400, 413 or 422: the request cannot be carried out as it is. */
export class InvalidRequestError extends ApiError {
  static {
    named(this, "InvalidRequestError");
  }
}

/** 401: the credential is missing, wrong, revoked or expired. */
export class AuthenticationError extends ApiError {
  static {
    named(this, "AuthenticationError");
  }
}

/** 403: the credential is good, and may not do this. */
export class PermissionError extends ApiError {
  static {
    named(this, "PermissionError");
  }
}

/** 404: there is no such thing, or it is another account's. */
export class NotFoundError extends ApiError {
  static {
    named(this, "NotFoundError");
  }
}

/** 409: it cannot be done in the state in which things are. */
export class ConflictError extends ApiError {
  static {
    named(this, "ConflictError");
  }
}

/** 429: too many requests; `retryAfterMs` says when to come back. */
export class RateLimitError extends ApiError {
  static {
    named(this, "RateLimitError");
  }
}

/** 500 and above: the platform's side. */
export class ServerError extends ApiError {
  static {
    named(this, "ServerError");
  }
}

const CLASSES: ReadonlyMap<number, typeof ApiError> = new Map([
  [400, InvalidRequestError],
  [401, AuthenticationError],
  [403, PermissionError],
  [404, NotFoundError],
  [409, ConflictError],
  [413, InvalidRequestError],
  [422, InvalidRequestError],
  [429, RateLimitError],
]);

/** The error for an answer's status. */
export function apiError(message: string, facts: ApiFacts): ApiError {
  const Class = CLASSES.get(facts.status) ?? (facts.status >= 500 ? ServerError : ApiError);
  return new Class(message, facts);
}

/** On the prototype, where a stack finds it and an inspected error does not list it. */
export function named(of: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(of.prototype, "name", { value: name, configurable: true, writable: true });
}
