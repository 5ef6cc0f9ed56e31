// A client with an API key alone, on a platform whose keys are bearer tokens.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthenticationError, Keyway, PermissionError } from "@keyway/node";

import { demo } from "./support/keyway.mjs";

const server = await demo("enterprise");

test("an_api_key_calls_any_path_of_its_platform", async () => {
  const keyway = new Keyway(server.options());
  const body = { amount: 100, currency: "EUR" };
  const made = await keyway.request("POST", "/mfi/invoices", { body });
  assert.equal(made.status, 201);
  const { id } = made.data.data;
  const changed = await keyway.request("PATCH", `/mfi/invoices/${id}`, { body: { amount: 200 } });
  assert.equal(changed.data.data.amount, 200);
});

test("each_refusal_is_read_from_the_platforms_own_form", async () => {
  const made = await server.create("key", { grant: ["invoices:read"] });
  const keyway = new Keyway(made.options);
  await keyway.request("GET", "/mfi/invoices");
  const write = keyway.request("POST", "/mfi/invoices", { body: { amount: 1, currency: "EUR" } });
  const forbidden = await write.catch((error) => error);
  assert.ok(forbidden instanceof PermissionError);
  assert.equal(forbidden.code, "insufficient_scope");
  assert.match(forbidden.message, /^Insufficient scopes/);
  await server.act(made, "revoke");
  const revoked = await keyway.request("GET", "/mfi/invoices").catch((error) => error);
  assert.ok(revoked instanceof AuthenticationError);
  assert.equal(revoked.code, "revoked");
  assert.match(revoked.requestId, /^req_/);
});
