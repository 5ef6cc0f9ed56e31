// T04: a client that was given a Client ID and a Client Secret calls the sample API with them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { InvalidRequestError, Keyway, NotFoundError } from "@keyway/node";

import { demo } from "./support/keyway.mjs";

const PAYMENT = { amount: 5000, currency: "GHS" };

const server = await demo("xtopay");
const keyway = new Keyway(server.options());

test("t04_a_client_id_and_secret_make_and_find_a_payment", async () => {
  const made = await keyway.payments.create({ ...PAYMENT, metadata: { order: 7 } });
  assert.equal(made.object, "payment");
  assert.equal(made.amount, 5000);
  assert.equal(made.livemode, false);
  assert.deepEqual(await keyway.payments.retrieve(made.id), made);
});

test("a_refund_takes_its_money_out_of_the_balance", async () => {
  const currency = "XAF";
  const payment = await keyway.payments.create({ amount: 900, currency });
  const refund = await keyway.refunds.create({ payment: payment.id, amount: 400, currency });
  assert.deepEqual(await keyway.refunds.retrieve(refund.id), refund);
  const { data } = await keyway.refunds.list({ payment: payment.id });
  assert.deepEqual(data, [refund]);
  const { available } = await keyway.balance.retrieve();
  assert.equal(available.find((one) => one.currency === currency)?.amount, 500);
});

test("a_customer_is_made_and_found_by_email", async () => {
  const email = `${randomUUID()}@example.com`;
  const made = await keyway.customers.create({ email, name: "Ama 🌿" });
  assert.deepEqual(await keyway.customers.retrieve(made.id), made);
  const { data, total } = await keyway.customers.list({ email });
  assert.deepEqual([data, total], [[made], 1]);
});

test("all_goes_through_every_page", async () => {
  const reference = randomUUID();
  const made = [];
  for (let count = 0; count < 103; count += 1) {
    made.unshift((await keyway.payments.create({ ...PAYMENT, reference })).id);
  }
  const page = await keyway.payments.list({ reference, limit: 2 });
  assert.deepEqual([page.data.length, page.has_more, page.total], [2, true, 103]);
  const found = [];
  for await (const payment of keyway.payments.all({ reference })) found.push(payment.id);
  assert.deepEqual(found, made);
});

test("the_same_idempotency_key_makes_one_payment", async () => {
  const options = { idempotencyKey: randomUUID() };
  const [one, other] = [
    await keyway.payments.create(PAYMENT, options),
    await keyway.payments.create(PAYMENT, options),
  ];
  assert.equal(one.id, other.id);
  const mismatch = keyway.payments.create({ ...PAYMENT, amount: 1 }, options);
  await assert.rejects(mismatch, { code: "idempotency_key_mismatch", status: 422 });
});

test("two_calls_have_two_keys_of_their_own", async () => {
  const [one, other] = [
    await keyway.payments.create(PAYMENT),
    await keyway.payments.create(PAYMENT),
  ];
  assert.notEqual(one.id, other.id);
});

test("request_calls_any_path_and_says_what_came_beside_the_value", async () => {
  const made = await keyway.request("POST", "/v1/payments", { body: PAYMENT });
  assert.equal(made.status, 201);
  assert.match(made.requestId, /^req_/);
  assert.equal(made.headers.get("request-id"), made.requestId);
  const listed = await keyway.request("GET", "/v1/payments?page=1", { query: { limit: 1 } });
  assert.equal(listed.data.data[0].id, made.data.id);
});

test("what_is_wrong_with_a_call_is_said", async () => {
  const invalid = await keyway.payments.create({ currency: "GHS" }).catch((error) => error);
  assert.ok(invalid instanceof InvalidRequestError);
  assert.deepEqual(
    [invalid.status, invalid.code, invalid.param],
    [400, "invalid_request", "amount"],
  );
  const missing = await keyway.payments.retrieve("pay_none").catch((error) => error);
  assert.ok(missing instanceof NotFoundError);
  assert.equal(missing.code, "resource_not_found");
  assert.match(missing.requestId, /^req_/);
  assert.equal(missing.body.request_id, missing.requestId);
});
