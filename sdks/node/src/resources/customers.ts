/** Somebody who pays you. */
export interface Customer extends NewCustomer {
  readonly id: string;
  readonly object: "customer";
  /** Whether it is one of production. */
  readonly livemode: boolean;
  readonly created_at: string;
}

export interface NewCustomer {
  readonly email: string;
  readonly name?: string;
  readonly phone?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface CustomerFilter {
  readonly email?: string | undefined;
}
