// T10: of a secret nothing but its first eight characters is ever printed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { Keyway } from "@keyway/node";

import { scripted } from "./support/server.mjs";

const ID = `cid_test_${"a1".repeat(16)}`;
const SECRET = `csk_test_${"b2".repeat(32)}`;
const PAIR = Buffer.from(`${ID}:${SECRET}`).toString("base64");
const KEY = 'sk_test_"quoted"\\and/slashed+0123456789';

const pair = { clientId: ID, clientSecret: SECRET };

/** Every way in which a program prints a thing. */
function printed(thing) {
  return [
    String(thing),
    `${thing.message}${thing.stack}${thing.cause}`,
    JSON.stringify(thing),
    inspect(thing),
    inspect(thing, { showHidden: true, depth: Infinity, getters: true }),
    inspect({ ...thing }, { showHidden: true, depth: Infinity }),
    Object.getOwnPropertyNames(thing).map((name) => inspect(thing[name])),
  ].join("\n");
}

function holdsNothing(thing) {
  const text = printed(thing);
  const forms = [SECRET, PAIR, KEY, JSON.stringify(KEY).slice(1, -1), encodeURIComponent(KEY)];
  for (const form of forms) assert.ok(!text.includes(form), text);
  // Not a longer part of it either.
  assert.ok(!text.includes("b2b2b2"), text);
}

test("t10_a_client_shows_the_first_eight_characters", () => {
  const keyway = new Keyway({ ...pair, baseUrl: "https://api.example.com" });
  holdsNothing(keyway);
  for (const part of [keyway.payments, keyway.balance]) holdsNothing(part);
  assert.match(inspect(keyway), /csk_test…/);
  assert.match(inspect({ deep: [keyway] }), /csk_test…/);
  assert.match(String(keyway), new RegExp(ID));
  const key = new Keyway({ apiKey: KEY, baseUrl: "https://api.example.com" });
  holdsNothing(key);
  assert.match(JSON.stringify(key), /sk_test_…/);
});

test("t10_an_error_of_the_options_does_not_repeat_them", () => {
  for (const options of [
    { ...pair, clientSecret: `${SECRET} ` },
    { ...pair, clientId: `${SECRET}:` },
    { ...pair, baseUrl: `http://${SECRET}.example.com` },
    { ...pair, baseUrl: `https://x:${SECRET}@example.com` },
    { ...pair, apiKey: KEY },
  ]) {
    assert.throws(
      () => new Keyway(options),
      (error) => (holdsNothing(error), true),
    );
  }
});

test("t10_a_server_that_repeats_the_credential_does_not_bring_it_into_an_error", async () => {
  for (const [options, sent] of [
    [pair, SECRET],
    [pair, PAIR],
    [pair, `${PAIR} ${SECRET}`],
    [{ apiKey: KEY }, KEY],
    [{ apiKey: KEY }, encodeURIComponent(KEY)],
  ]) {
    const echoes = [
      { error: { code: sent, message: `no ${sent}`, param: sent }, request_id: sent },
      { error_code: "x", message: sent, deep: [{ [sent]: [sent] }] },
      { error: sent },
      sent,
    ].map((body) => ({ status: 401, body: JSON.stringify(body) }));
    const answers = [...echoes, { status: 500, body: `<pre>Authorization: ${sent}</pre>` }];
    answers.push({ status: 400, headers: { "request-id": sent } });
    answers.push({ status: 200, headers: { "request-id": sent }, body: "<html>" });
    const { url } = await scripted(...answers);
    const keyway = new Keyway({ ...options, baseUrl: url, maxRetries: 0 });
    for (const _ of answers) {
      const error = await keyway.balance.retrieve().catch((error) => error);
      assert.ok(error instanceof Error);
      holdsNothing(error);
    }
  }
});

test("t10_a_fetch_that_throws_the_request_does_not_bring_it_into_an_error", async () => {
  const fetch = (url, request) => {
    const authorization = request.headers.get("authorization");
    const cause = Object.assign(new Error(`sent ${authorization}`), { request, code: SECRET });
    throw new TypeError(`failed with ${authorization}`, { cause });
  };
  const keyway = new Keyway({ ...pair, baseUrl: "https://api.example.com", maxRetries: 0, fetch });
  const error = await keyway.request("GET", `/v1/${SECRET}`).catch((error) => error);
  assert.equal(error.name, "ConnectionError");
  holdsNothing(error);
});
