/** Money of a payment that went back. */
export interface Refund extends NewRefund {
  readonly id: string;
  readonly object: "refund";
  readonly status: string;
  /** Whether the money is real. */
  readonly livemode: boolean;
  readonly created_at: string;
}

export interface NewRefund {
  /** The payment's id. */
  readonly payment: string;
  readonly amount: number;
  /** Three capital letters. */
  readonly currency: string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface RefundFilter {
  /** Refunds of this payment. */
  readonly payment?: string | undefined;
}
