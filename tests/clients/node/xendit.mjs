// One call of the official Xendit SDK: `node xendit.mjs CALL [ARGUMENT]`.

import { Xendit, XenditSdkError } from 'xendit-node';
import { answer } from './answer.mjs';

const xendit = new Xendit({
  secretKey: process.env.XENDIT_SECRET_KEY,
  xenditURL: process.env.SAMPLE_API_URL,
});

const calls = {
  balance: () => xendit.Balance.getBalance({ currency: 'IDR' }),
  createInvoice: (externalId) =>
    xendit.Invoice.createInvoice({
      data: { externalId, amount: 10000, payerEmail: 'payer@example.com', description: 'Kopi ☕' },
    }),
  invoice: (invoiceId) => xendit.Invoice.getInvoiceById({ invoiceId }),
  invoices: (externalId) => xendit.Invoice.getInvoices({ externalId }),
  expireInvoice: (invoiceId) => xendit.Invoice.expireInvoice({ invoiceId }),
  createPayout: (referenceId) =>
    xendit.Payout.createPayout({
      idempotencyKey: referenceId,
      data: {
        referenceId,
        channelCode: 'ID_BCA',
        channelProperties: { accountNumber: '000000000099', accountHolderName: 'A. Payee' },
        amount: 2500,
        currency: 'IDR',
      },
    }),
  payouts: (referenceId) => xendit.Payout.getPayouts({ referenceId }),
  createCustomer: (referenceId) =>
    xendit.Customer.createCustomer({
      data: {
        referenceId,
        type: 'INDIVIDUAL',
        individualDetail: { givenNames: 'Ayu', surname: 'Putri' },
        email: 'ayu@example.com',
      },
    }),
  customer: (id) => xendit.Customer.getCustomer({ id }),
  createPaymentRequest: (referenceId) =>
    xendit.PaymentRequest.createPaymentRequest({
      data: { referenceId, amount: 15000, currency: 'IDR', paymentMethodId: 'pm-1' },
    }),
  paymentRequests: () => xendit.PaymentRequest.getAllPaymentRequests({ limit: 5 }),
};

const [name, argument] = process.argv.slice(2);
await answer(
  () => calls[name](argument),
  (error) => ({
    isXenditSdkError: error instanceof XenditSdkError,
    name: error.name,
    status: error.status,
    errorCode: error.errorCode,
    errorMessage: error.errorMessage,
  }),
);
