// Messages in a platform's own form, with what its scheme declares.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { ConfigurationError, Keyway, WebhookVerificationError } from "@keyway/node";

import { FORM } from "./support/form.mjs";

const { verifyForm } = Keyway.webhooks;

const URL_ = "https://shop.example.com/hooks";
const BODY = '{"id":"evt_1","type":"webhook.test"}';
const SECONDS = 1_800_000_000;
const OLD = { id: "rak_old", secret: "rsk_old_0123456789" };
const NEW = { id: "rak_new", secret: "rsk_new_0123456789" };

const options = (more) => ({ form: FORM, url: URL_, now: () => SECONDS * 1_000, ...more });

function headers({ id, secret }, encode = btoa) {
  const signed = `${URL_}5a17${SECONDS}${id}${secret}${BODY}`;
  const signature = encode(createHmac("sha256", secret).update(signed).digest("hex"));
  return { access_key: id, salt: "5a17", timestamp: `${SECONDS}`, signature };
}

function refused(code, sent, pairs, more) {
  assert.throws(
    () => verifyForm(BODY, sent, pairs, options(more)),
    (error) => error instanceof WebhookVerificationError && error.code === code,
  );
}

test("the_key_that_signed_is_found_among_old_and_new", () => {
  for (const pair of [OLD, NEW]) {
    const event = verifyForm(BODY, headers(pair), [NEW, OLD], options());
    assert.equal(event.type, "webhook.test");
  }
  verifyForm(BODY, headers(OLD), OLD, options());
  refused("unknown_key", headers(OLD), NEW);
});

test("whatever_is_changed_makes_it_no_longer_genuine", () => {
  const sent = headers(OLD);
  for (const changed of [{ salt: "5a18" }, { timestamp: `${SECONDS + 1}` }, { signature: "x" }]) {
    refused("bad_signature", { ...sent, ...changed }, OLD);
  }
  refused("bad_signature", sent, { ...OLD, secret: NEW.secret });
  refused("bad_signature", sent, OLD, { url: `${URL_}/` });
  refused("bad_signature", { ...headers(NEW), access_key: OLD.id }, [OLD, NEW]);
});

test("time_and_encoding_are_judged_as_declared", () => {
  refused("too_old", headers(OLD), OLD, { now: () => (SECONDS + 301) * 1_000 });
  refused("too_new", headers(OLD), OLD, { now: () => (SECONDS - 301) * 1_000 });
  const hex = { form: { ...FORM, encoding: "hex" } };
  verifyForm(BODY, headers(OLD, (text) => text), OLD, options(hex));
  refused("bad_signature", headers(OLD), OLD, hex);
});

test("an_empty_secret_verifies_nothing", () => {
  for (const pairs of [{ id: "rak_old", secret: "" }, { id: "", secret: "x" }, []]) {
    const verifying = () => verifyForm(BODY, headers(OLD), pairs, options());
    assert.throws(verifying, ConfigurationError);
  }
});
