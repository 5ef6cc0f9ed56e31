import type { Answer } from "./answer.js";
import { Collection } from "./collection.js";
import { Credentials } from "./credentials.js";
import { Balances } from "./resources/balance.js";
import type { Customer, CustomerFilter, NewCustomer } from "./resources/customers.js";
import type { NewPayment, Payment, PaymentFilter } from "./resources/payments.js";
import type { NewRefund, Refund, RefundFilter } from "./resources/refunds.js";
import { inspect } from "./secrets.js";
import { type KeywayOptions, settings } from "./settings.js";
import { type RequestOptions, Transport } from "./transport.js";
import { webhooks } from "./webhooks/index.js";

/** A client of the payments API. It keeps its credential to itself, however it is printed. */
export class Keyway {
  /** Where the API is, unless the options say it; a platform's own class sets it. */
  static readonly baseUrl: string | undefined = undefined;

  static readonly webhooks = webhooks;

  readonly payments: Collection<Payment, NewPayment, PaymentFilter>;
  readonly refunds: Collection<Refund, NewRefund, RefundFilter>;
  readonly customers: Collection<Customer, NewCustomer, CustomerFilter>;
  readonly balance: Balances;

  readonly #transport: Transport;
  readonly #shown: Readonly<Record<string, string>>;

  constructor(options: KeywayOptions) {
    const credentials = new Credentials(options);
    const set = settings(options, new.target.baseUrl);
    this.#transport = new Transport(credentials, set);
    this.#shown = { ...credentials.shown, baseUrl: set.baseUrl.href };
    this.payments = new Collection(this.#transport, "/v1/payments");
    this.refunds = new Collection(this.#transport, "/v1/refunds");
    this.customers = new Collection(this.#transport, "/v1/customers");
    this.balance = new Balances(this.#transport);
  }

  /** A call to any path, with what came back beside its value: status, headers, request id. */
  request<T = unknown>(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer<T>> {
    return this.#transport.send<T>(method, path, options);
  }

  /** Secrets are masked. */
  toJSON(): Readonly<Record<string, string>> {
    return this.#shown;
  }

  toString(): string {
    return `${this.constructor.name} ${JSON.stringify(this.#shown)}`;
  }

  [inspect](): string {
    return this.toString();
  }
}
