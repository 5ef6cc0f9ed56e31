/** What a customer paid. Amounts are whole numbers of the currency's smallest unit. */
export interface Payment extends NewPayment {
  readonly id: string;
  readonly object: "payment";
  readonly status: string;
  /** Whether the money is real. */
  readonly livemode: boolean;
  readonly created_at: string;
}

export interface NewPayment {
  readonly amount: number;
  /** Three capital letters. */
  readonly currency: string;
  readonly customer?: unknown;
  readonly description?: string;
  /** Your own name for it. */
  readonly reference?: string;
  readonly payment_method?: unknown;
  readonly return_url?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface PaymentFilter {
  readonly reference?: string | undefined;
}
