// Calls of the official Airwallex SDK, one after the other: `node airwallex.mjs CALL…`.
//
// The SDK knows its own hosts only. Both come from getters, so a subclass points it elsewhere without
// a change to it; telemetry would go to the vendor and is off.

import { Airwallex, ApiError } from '@airwallex/node-sdk';
import { answer } from './answer.mjs';

class Pointed extends Airwallex {
  get basePath() {
    return process.env.SAMPLE_API_URL;
  }

  get metricsBasePath() {
    return process.env.SAMPLE_API_URL;
  }
}

const airwallex = new Pointed({
  clientId: process.env.AIRWALLEX_CLIENT_ID,
  apiKey: process.env.AIRWALLEX_API_KEY,
  env: 'demo',
  enableTelemetry: false,
});

// A time and a number that no other run has, for ids that must be new.
const unique = `${Date.now()}-${process.pid}`;

const calls = {
  balances: () => airwallex.get('/api/v1/balances/current'),
  account: () => airwallex.scale.accounts.getCurrentAccount(),
  cards: () => airwallex.issuing.cards.getCards({ card_status: 'ACTIVE' }),
  createCustomer: () =>
    airwallex.paymentAcceptance.customers.createCustomer({
      request_id: `customer-${unique}`,
      merchant_customer_id: `merchant-${unique}`,
      email: 'payer@example.com',
    }),
  createIntent: () =>
    airwallex.paymentAcceptance.paymentIntents.createPaymentIntent({
      request_id: `intent-${unique}`,
      amount: 12.5,
      currency: 'USD',
      merchant_order_id: `order-${unique}`,
    }),
  createdIntent: async () => {
    const { id } = await calls.createIntent();
    return airwallex.paymentAcceptance.paymentIntents.retrievePaymentIntent(id);
  },
  intents: () => airwallex.paymentAcceptance.paymentIntents.listPaymentIntents({ page_size: 5 }),
  intent: () => airwallex.paymentAcceptance.paymentIntents.retrievePaymentIntent('int_none'),
  // Not a call of the SDK: revokes its credential while the SDK holds a token.
  revoke: async () => {
    const response = await fetch(process.env.REVOKE_URL, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${process.env.OPERATOR_TOKEN}`,
        'Content-Type': 'application/json',
      },
      body: '{}',
    });
    if (!response.ok) {
      throw new Error(`the revocation answered ${response.status}`);
    }
  },
};

await answer(
  async () => {
    let last;
    for (const name of process.argv.slice(2)) {
      last = await calls[name]();
    }
    return last;
  },
  (error) => ({
    isApiError: error instanceof ApiError,
    name: error.name,
    status: error.status,
    message: error.message,
    data: error.data?.code ? error.data : undefined,
  }),
);
