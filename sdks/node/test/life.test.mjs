// What becomes of a credential while a client uses it: rotated, revoked, restricted, limited.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthenticationError, Keyway, PermissionError, RateLimitError } from "@keyway/node";

import { demo, serve } from "./support/keyway.mjs";
import { platform } from "./support/platform.mjs";

const server = await demo("xtopay");

const client = (options, more) => new Keyway({ ...options, ...more });
const balance = (options) => client(options).balance.retrieve();

test("t08_both_secrets_work_during_the_overlap_and_only_the_new_one_after", async () => {
  const made = await server.create("client");
  const old = client(made.options);
  await old.balance.retrieve();
  const rotated = await server.act(made, "rotate");
  assert.equal(rotated.options.clientId, made.options.clientId);
  assert.notEqual(rotated.options.clientSecret, made.options.clientSecret);
  await old.balance.retrieve();
  await balance(rotated.options);
  await server.act(made, "finish");
  await assert.rejects(old.balance.retrieve(), AuthenticationError);
  await balance(rotated.options);
});

test("t08_no_call_fails_while_a_fleet_moves_over_to_the_new_secret", async () => {
  const made = await server.create("client");
  let options = made.options;
  let isMoving = true;
  const fleet = Array.from({ length: 4 }, async () => {
    let calls = 0;
    for (; isMoving || calls === 0; calls += 1) await balance({ ...options, maxRetries: 0 });
    return calls;
  });
  options = (await server.act(made, "rotate")).options;
  await balance(options);
  isMoving = false;
  for (const calls of await Promise.all(fleet)) assert.ok(calls > 0);
});

test("t09_a_revoked_pair_is_refused_from_the_answer_on_and_not_tried_again", async () => {
  const made = await server.create("client");
  const own = client(made.options, { maxRetries: 5 });
  await own.balance.retrieve();
  await server.act(made, "revoke");
  const error = await own.balance.retrieve().catch((error) => error);
  assert.ok(error instanceof AuthenticationError);
  assert.deepEqual([error.status, error.code], [401, "invalid_credentials"]);
  assert.match(error.message, /revoked/);
  assert.match(error.requestId, /^req_/);
  await balance(server.options());
});

test("a_wrong_secret_is_refused", async () => {
  const options = server.options();
  const clientSecret = options.clientSecret.slice(0, -4) + "aaaa";
  await assert.rejects(balance({ ...options, clientSecret }), AuthenticationError);
});

test("a_pair_that_may_only_read_does_not_pay", async () => {
  const made = await server.create("client", { grant: { payments: ["read"] } });
  const reader = client(made.options);
  await reader.payments.list();
  const error = await reader.payments.create({ amount: 1, currency: "GHS" }).catch((e) => e);
  assert.ok(error instanceof PermissionError);
  assert.deepEqual([error.status, error.code], [403, "insufficient_scope"]);
});

test("test_and_live_are_two_worlds", async () => {
  const [inTest, inLive] = [client(server.options("test")), client(server.options("live"))];
  const made = await inLive.payments.create({ amount: 1, currency: "GHS" });
  assert.equal(made.livemode, true);
  await assert.rejects(inTest.payments.retrieve(made.id), { status: 404 });
});

test("a_test_pair_at_an_api_of_production_is_told_so", async () => {
  const keyway = await serve("xtopay");
  const baseUrl = await platform(keyway.facts.verify_url, "live");
  const inTest = await keyway.create("client", { environment: "test" });
  const inLive = await keyway.create("client", { environment: "live" });
  const ask = (made) => client(made.options, { baseUrl }).request("GET", "/v1/balance");
  const error = await ask(inTest).catch((error) => error);
  assert.ok(error instanceof PermissionError);
  assert.deepEqual([error.status, error.code], [403, "wrong_environment"]);
  assert.match(error.message, /belongs to the Sandbox environment/);
  const { data } = await ask(inLive);
  assert.deepEqual(data, { account: keyway.account, environment: "live" });
});

test("a_limited_client_is_told_how_long_to_wait_and_passes_after_it", async () => {
  const limited = (window_seconds) =>
    server.create("client", { rate_limit: { requests: 1, window_seconds } });
  const hasty = client((await limited(60)).options, { maxRetries: 0 });
  await hasty.balance.retrieve();
  const error = await hasty.balance.retrieve().catch((error) => error);
  assert.ok(error instanceof RateLimitError);
  assert.deepEqual([error.status, error.code], [429, "rate_limit_exceeded"]);
  assert.ok(error.retryAfterMs >= 40_000 && error.retryAfterMs <= 60_000, `${error.retryAfterMs}`);
  const patient = client((await limited(3)).options, { maxRetries: 5 });
  await patient.balance.retrieve();
  const began = Date.now();
  await patient.balance.retrieve();
  assert.ok(Date.now() - began >= 500, "it waited");
});
