// Messages that a real Keyway signed and sent, to a receiver that verifies them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Keyway } from "@keyway/node";

import { FORM } from "./support/form.mjs";
import { serve } from "./support/keyway.mjs";
import { listen } from "./support/server.mjs";

/** A receiver; `next` is the next message of a type. */
async function receiver(judge = () => 200) {
  const got = [];
  const waiting = [];
  const url = await listen((request, response) => {
    const message = { headers: request.headers, body: request.body };
    response.writeHead(judge(message)).end();
    const at = waiting.findIndex(({ type }) => type === JSON.parse(message.body).type);
    if (at >= 0) waiting.splice(at, 1)[0].take(message);
    else got.push(message);
  });
  const next = (type) => {
    const at = got.findIndex(({ body }) => JSON.parse(body).type === type);
    if (at >= 0) return Promise.resolve(got.splice(at, 1)[0]);
    return new Promise((take) => waiting.push({ type, take }));
  };
  return { url: `${url}/hook`, next };
}

async function endpoint(keyway, url) {
  const path = `/accounts/${keyway.account}/webhooks`;
  const made = await keyway.post(path, { environment: "test", url, events: ["*"] });
  return { path: `${path}/${made.id}`, secret: made.secret.signing_secret };
}

const soon = { timeout: 30_000 };

test("a_message_is_verified_with_either_secret_while_they_change", soon, async () => {
  const keyway = await serve("xtopay");
  const to = await receiver();
  const { path, secret: old } = await endpoint(keyway, to.url);
  const verify = ({ body, headers }, secrets) => Keyway.webhooks.verify(body, headers, secrets);

  const credential = await keyway.create("client");
  const created = await to.next("api_key.created");
  const event = verify(created, old);
  assert.equal(event.type, "api_key.created");
  assert.equal(event.id, created.headers["webhook-id"]);
  assert.equal(event.account, keyway.account);
  assert.equal(event.environment, "test");
  assert.equal(event.data.credential.id, credential.id);

  const rotated = await keyway.post(`${path}/rotate`, { overlap: "1h" });
  const fresh = rotated.secret.signing_secret;
  await keyway.post(`${path}/test`);
  const during = await to.next("webhook.test");
  for (const secrets of [old, fresh, [old, fresh]]) verify(during, secrets);
  assert.throws(() => verify(created, fresh), { code: "bad_signature" });
  const forged = { ...during, body: during.body.replace("test", "live") };
  assert.throws(() => verify(forged, [old, fresh]), { code: "bad_signature" });
});

test("r07_a_message_in_the_platforms_form_is_verified_with_either_pair", soon, async () => {
  const keyway = await serve("rapyd");
  let pairs = [];
  const verify = ({ body, headers }, known) =>
    Keyway.webhooks.verifyForm(body, headers, known, { form: FORM, url: to.url });
  const to = await receiver((message) => {
    try {
      verify(message, pairs);
      return 200;
    } catch {
      return 401;
    }
  });
  const pairOf = ({ access_key: id, secret_key: secret }) => ({ id, secret });
  const made = await keyway.create("signing");
  const old = pairOf(made.secret);
  const { path } = await endpoint(keyway, to.url);
  pairs = [old];
  await keyway.post(`${path}/test`);
  assert.equal(verify(await to.next("webhook.test"), old).type, "webhook.test");

  const fresh = pairOf((await keyway.act(made, "rotate", { overlap: "1d" })).secret);
  for (const known of [fresh, old]) {
    pairs = [known];
    await keyway.post(`${path}/test`);
    let message = await to.next("webhook.test");
    // A receiver that refuses the new pair is asked again, with the old one.
    if (message.headers.access_key !== known.id) message = await to.next("webhook.test");
    verify(message, known);
    verify(message, [fresh, old]);
  }
});
