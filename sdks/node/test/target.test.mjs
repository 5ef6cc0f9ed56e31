// Whatever is in a path or an id, the credential goes to the base URL only.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConfigurationError, Keyway } from "@keyway/node";

import { scripted } from "./support/server.mjs";

const API_KEY = "sk_test_0123456789abcdefghijklmn";

const { url, got } = await scripted({ body: "{}" });
const client = (path = "") => new Keyway({ apiKey: API_KEY, baseUrl: `${url}${path}` });

test("an_id_is_one_segment_of_the_path", async () => {
  await client().payments.retrieve("../balance?x=#y");
  assert.equal(got.at(-1).url, "/v1/payments/..%2Fbalance%3Fx%3D%23y");
  for (const id of ["", ".", "..", undefined]) {
    await assert.rejects(client().payments.retrieve(id), ConfigurationError);
  }
});

test("a_prefix_of_the_base_url_stays_before_every_path", async () => {
  for (const prefix of ["/pay", "/pay/"]) {
    await client(prefix).request("GET", "/v1/balance?a=1", { query: { b: "x y", c: undefined } });
    assert.equal(got.at(-1).url, "/pay/v1/balance?a=1&b=x+y");
  }
});

test("a_path_that_leads_away_is_refused_and_nothing_is_sent", async () => {
  const before = got.length;
  const away = ["//evil.example/x", "/\\evil.example", "https://evil.example", "x", "", "/../x"];
  for (const path of away) {
    await assert.rejects(client("/pay").request("GET", path), ConfigurationError, path);
  }
  for (const path of away.slice(0, -1)) {
    await assert.rejects(client().request("GET", path), ConfigurationError, path);
  }
  assert.equal(got.length, before);
});

test("a_caller_cannot_put_another_credential_into_a_call", async () => {
  const headers = { Authorization: "Bearer other", "X-Trace": "7" };
  await client().request("GET", "/v1/balance", { headers });
  assert.equal(got.at(-1).headers.authorization, `Bearer ${API_KEY}`);
  assert.equal(got.at(-1).headers["x-trace"], "7");
});
