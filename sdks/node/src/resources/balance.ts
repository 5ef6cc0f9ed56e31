import type { CallOptions, Transport } from "../transport.js";

/** What you hold with the platform, in each currency that moved. */
export interface Balance {
  readonly object: "balance";
  /** Whether the money is real. */
  readonly livemode: boolean;
  readonly available: readonly { readonly currency: string; readonly amount: number }[];
}

export class Balances {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async retrieve(options: CallOptions = {}): Promise<Balance> {
    return (await this.#transport.send<Balance>("GET", "/v1/balance", options)).data;
  }
}
