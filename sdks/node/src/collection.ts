// What can be done with the things of one path: make one, find one, list them.

import { segment, type Query } from "./target.js";
import type { CallOptions, Transport } from "./transport.js";

/** One page of a list, the newest first. */
export interface List<T> {
  readonly object: "list";
  readonly data: readonly T[];
  readonly has_more: boolean;
  /** How many there are on all pages. */
  readonly total: number;
}

/** Which part of a list is wanted. */
export interface Paging {
  /** At most 100; 10 unless it is given. */
  readonly limit?: number | undefined;
  /** The page's number, from 1. */
  readonly page?: number | undefined;
  /** The id of the last one of the page before. */
  readonly starting_after?: string | undefined;
}

/** The largest page, so that a whole list takes the fewest calls. */
const LIMIT_MAX = 100;

export class Collection<T extends { readonly id: string }, New, Filter> {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, path: string) {
    this.#transport = transport;
    this.#path = path;
  }

  async create(fields: New, options: CallOptions = {}): Promise<T> {
    const call = { ...options, body: fields };
    return (await this.#transport.send<T>("POST", this.#path, call)).data;
  }

  async retrieve(id: string, options: CallOptions = {}): Promise<T> {
    const path = `${this.#path}/${segment(id)}`;
    return (await this.#transport.send<T>("GET", path, options)).data;
  }

  async list(which?: Filter & Paging, options: CallOptions = {}): Promise<List<T>> {
    const call = { ...options, query: { ...which } as Query };
    return (await this.#transport.send<List<T>>("GET", this.#path, call)).data;
  }

  /** Every one of them, page by page: `for await (const payment of keyway.payments.all())`. */
  async *all(which?: Filter, options: CallOptions = {}): AsyncGenerator<T, void, undefined> {
    let after: string | undefined;
    do {
      const wanted = { ...which, limit: LIMIT_MAX, starting_after: after } as Filter & Paging;
      const page = await this.list(wanted, options);
      yield* page.data;
      after = page.has_more ? page.data.at(-1)?.id : undefined;
    } while (after !== undefined);
  }
}
