// Calls an API whose credentials Keyway holds, and verifies its webhooks.

export type { Answer } from "./answer.js";
export type { Collection, List, Paging } from "./collection.js";
export type { CredentialOptions } from "./credentials.js";
export {
  ApiError,
  AuthenticationError,
  ConfigurationError,
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  KeywayError,
  NotFoundError,
  PermissionError,
  RateLimitError,
  ServerError,
  TimeoutError,
} from "./errors.js";
export { Keyway, Keyway as default } from "./keyway.js";
export type { Balance } from "./resources/balance.js";
export type { Customer, CustomerFilter, NewCustomer } from "./resources/customers.js";
export type { NewPayment, Payment, PaymentFilter } from "./resources/payments.js";
export type { NewRefund, Refund, RefundFilter } from "./resources/refunds.js";
export type { KeywayOptions } from "./settings.js";
export type { Query } from "./target.js";
export type { CallOptions, RequestOptions } from "./transport.js";
export type { VerifyOptions } from "./webhooks/age.js";
export { type WebhookProblem, WebhookVerificationError } from "./webhooks/error.js";
export type { WebhookEvent } from "./webhooks/event.js";
export type { FormOptions, Pair, PlatformForm } from "./webhooks/form.js";
export type { Body, HeadersLike } from "./webhooks/message.js";
