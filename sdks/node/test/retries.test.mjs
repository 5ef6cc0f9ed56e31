// When a call is tried again, how often, with which key, and after how long.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionError, Keyway, RateLimitError, ServerError } from "@keyway/node";

import { hangUp, scripted } from "./support/server.mjs";

const API_KEY = "sk_test_0123456789abcdefghijklmn";
const PAYMENT = { amount: 1, currency: "GHS" };
const BUSY = { status: 503 };
const DONE = { status: 200, body: '{"id":"pay_1"}' };

/** What no wait of these tests comes near to, however busy the machine is. */
const SLOW_MS = 10_000;

const client = (url, more) => new Keyway({ apiKey: API_KEY, baseUrl: url, ...more });
const keys = (got) => got.map(({ headers }) => headers["idempotency-key"]);
const gaps = (got) => got.slice(1).map(({ at }, index) => at - got[index].at);

test("a_read_is_tried_again_until_it_is_answered", async () => {
  const { url, got } = await scripted(hangUp, BUSY, DONE);
  assert.deepEqual(await client(url).payments.retrieve("pay_1"), { id: "pay_1" });
  assert.equal(got.length, 3);
  assert.deepEqual(keys(got), [undefined, undefined, undefined]);
});

test("a_payment_is_tried_again_with_the_same_key_and_body", async () => {
  const { url, got } = await scripted(hangUp, BUSY, DONE);
  await client(url).payments.create(PAYMENT);
  assert.equal(got.length, 3);
  assert.equal(new Set(keys(got)).size, 1);
  assert.match(keys(got)[0], /^[0-9a-f-]{36}$/);
  assert.deepEqual(new Set(got.map(({ body }) => body)), new Set([JSON.stringify(PAYMENT)]));
});

test("another_payment_has_another_key", async () => {
  const { url, got } = await scripted(DONE);
  await client(url).payments.create(PAYMENT);
  await client(url).payments.create(PAYMENT);
  assert.equal(new Set(keys(got)).size, 2);
});

test("a_key_of_the_callers_is_kept", async () => {
  const { url, got } = await scripted(BUSY, DONE);
  await client(url).payments.create(PAYMENT, { idempotencyKey: "order-7" });
  assert.deepEqual(keys(got), ["order-7", "order-7"]);
  const bad = client(url).payments.create(PAYMENT, { idempotencyKey: "é" });
  await assert.rejects(bad, { code: "configuration" });
});

test("what_may_not_be_done_twice_is_tried_once", async () => {
  for (const [method, options] of [
    ["POST", { idempotencyKey: false }],
    ["PATCH", {}],
    ["DELETE", {}],
    ["PUT", {}],
  ]) {
    for (const answer of [BUSY, hangUp, { status: 429, headers: { "retry-after": "0" } }]) {
      const { url, got } = await scripted(answer);
      await assert.rejects(client(url).request(method, "/x", options));
      assert.equal(got.length, 1, method);
      assert.deepEqual(keys(got), [undefined]);
    }
  }
  const { url, got } = await scripted(BUSY, DONE);
  await client(url).request("PATCH", "/x", { idempotencyKey: "change-7" });
  assert.equal(got.length, 2);
});

test("a_no_is_not_asked_again", async () => {
  for (const status of [400, 401, 403, 404, 409, 422, 501, 302]) {
    const { url, got } = await scripted({ status, headers: { location: "/elsewhere" } });
    await assert.rejects(client(url).balance.retrieve(), { status });
    assert.equal(got.length, 1, `${status}`);
  }
});

test("it_gives_up_after_max_retries_with_the_last_error", async () => {
  const { url, got } = await scripted(hangUp, BUSY);
  await assert.rejects(client(url, { maxRetries: 1 }).balance.retrieve(), ServerError);
  assert.equal(got.length, 2);
  await assert.rejects(client(url).balance.retrieve({ maxRetries: 0 }), ServerError);
  assert.equal(got.length, 3);
  const cut = await scripted(hangUp);
  await assert.rejects(client(cut.url).balance.retrieve(), ConnectionError);
  assert.equal(cut.got.length, 3);
});

test("each_wait_is_longer_than_the_one_before", async () => {
  const { url, got } = await scripted(BUSY);
  await assert.rejects(client(url).balance.retrieve());
  const [first, second] = gaps(got);
  assert.ok(first >= 245 && first < SLOW_MS, `${first}`);
  assert.ok(second >= 495 && second < SLOW_MS, `${second}`);
});

test("calls_that_failed_together_do_not_come_again_together", async () => {
  const waits = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { url, got } = await scripted(BUSY, DONE);
      await client(url).balance.retrieve();
      return gaps(got)[0];
    }),
  );
  assert.ok(Math.max(...waits) - Math.min(...waits) > 30, `${waits}`);
});

test("retry_after_is_waited_for", async () => {
  const { url, got } = await scripted({ status: 429, headers: { "retry-after": "1" } }, DONE);
  await client(url).payments.create(PAYMENT);
  const [gap] = gaps(got);
  assert.ok(gap >= 995 && gap < SLOW_MS, `${gap}`);
});

test("retry_after_may_be_a_date", async () => {
  const at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 1_000);
  const later = { status: 503, headers: { "retry-after": at.toUTCString() } };
  const { url, got } = await scripted(later, DONE);
  await client(url).balance.retrieve();
  assert.ok(got[1].at >= at.getTime() - 5, `${got[1].at} ${at.getTime()}`);
});

test("a_wait_of_hours_is_left_to_the_caller", async () => {
  const { url, got } = await scripted({ status: 429, headers: { "retry-after": "7200" } });
  const error = await client(url).balance.retrieve().catch((error) => error);
  assert.ok(error instanceof RateLimitError);
  assert.equal(error.retryAfterMs, 7_200_000);
  assert.equal(got.length, 1);
});

test("a_retry_after_that_makes_no_sense_is_as_none", async () => {
  for (const value of ["-1", "soon", "1e9", "1 2", ""]) {
    const { url, got } = await scripted({ status: 503, headers: { "retry-after": value } }, DONE);
    await client(url).balance.retrieve();
    assert.ok(gaps(got)[0] < SLOW_MS, value);
  }
});

test("an_abort_ends_the_wait_with_its_reason", async () => {
  const { url, got } = await scripted({ status: 503, headers: { "retry-after": "30" } });
  const stop = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => stop.abort(reason), 100);
  const began = Date.now();
  await assert.rejects(client(url).balance.retrieve({ signal: stop.signal }), reason);
  assert.ok(Date.now() - began < SLOW_MS);
  assert.equal(got.length, 1);
});
