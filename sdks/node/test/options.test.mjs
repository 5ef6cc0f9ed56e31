// What cannot be right is said at once, before anything is sent.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConfigurationError, Keyway } from "@keyway/node";

const pair = { clientId: `cid_test_${"a".repeat(32)}`, clientSecret: `csk_test_${"b".repeat(64)}` };
const baseUrl = "https://api.example.com";

function refused(options, message) {
  assert.throws(() => new Keyway({ baseUrl, ...options }), (error) => {
    assert.ok(error instanceof ConfigurationError);
    assert.match(error.message, message);
    return true;
  });
}

test("a_credential_that_is_not_set_is_named", () => {
  refused({}, /^clientId is not set/);
  refused({ ...pair, clientId: "" }, /^clientId is not set/);
  refused({ ...pair, clientSecret: undefined }, /^clientSecret is not set/);
  refused({ apiKey: "" }, /^apiKey is not set/);
});

test("a_credential_with_a_line_break_or_a_part_missing_is_named", () => {
  refused({ ...pair, clientSecret: `${pair.clientSecret}\n` }, /^clientSecret must be text/);
  refused({ ...pair, clientId: "cid:1" }, /^clientId must not hold a colon/);
  refused({ apiKey: "sk_" }, /^apiKey is too short/);
  refused({ ...pair, apiKey: "sk_test_0123456789" }, /not both/);
});

test("a_base_url_is_encrypted_unless_it_is_on_this_machine_or_said_to_be_safe", () => {
  refused({ ...pair, baseUrl: undefined }, /^baseUrl is not set/);
  refused({ ...pair, baseUrl: "api.example.com" }, /^baseUrl is not a URL/);
  refused({ ...pair, baseUrl: "http://api.example.com" }, /https/);
  refused({ ...pair, baseUrl: "http://localhost.example.com" }, /https/);
  refused({ ...pair, baseUrl: "http://127.0.0.1.example.com" }, /https/);
  refused({ ...pair, baseUrl: "file:///etc/passwd", allowHttp: true }, /https/);
  refused({ ...pair, baseUrl: "https://me:it@api.example.com" }, /without user/);
  for (const local of ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"]) {
    new Keyway({ ...pair, baseUrl: local });
  }
  new Keyway({ ...pair, baseUrl: "http://payments.internal", allowHttp: true });
});

test("limits_have_bounds", () => {
  for (const timeoutMs of [0, -1, 1.5, NaN, Infinity, 2 ** 31, "100"]) {
    refused({ ...pair, timeoutMs }, /^timeoutMs/);
  }
  for (const maxRetries of [-1, 11, 0.5]) refused({ ...pair, maxRetries }, /^maxRetries/);
});

test("a_platforms_own_class_knows_its_host", () => {
  class Platform extends Keyway {
    static baseUrl = "https://api.platform.example";
  }
  assert.equal(new Platform(pair).toJSON().baseUrl, "https://api.platform.example/");
  assert.equal(new Platform({ ...pair, baseUrl }).toJSON().baseUrl, "https://api.example.com/");
});
