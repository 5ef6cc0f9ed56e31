// Whether a message is taken for genuine: when it is, and in each way in which it is not.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";

import { ConfigurationError, Keyway, WebhookVerificationError } from "@keyway/node";

const { verify } = Keyway.webhooks;

/** The example of the standard's own libraries. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS = 1_614_265_330;
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

const OTHER = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

const HEADERS = {
  "webhook-id": ID,
  "webhook-timestamp": `${SECONDS}`,
  "webhook-signature": SIGNATURE,
};

/** A clock that is so many seconds after the message. */
const after = (seconds) => ({ now: () => (SECONDS + seconds) * 1_000 });

function sign(secret, body, id = ID, seconds = SECONDS) {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signed = Buffer.concat([Buffer.from(`${id}.${seconds}.`), Buffer.from(body)]);
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

function refused(code, { body = BODY, headers = {}, secrets = SECRET, options = after(0) } = {}) {
  assert.throws(
    () => verify(body, { ...HEADERS, ...headers }, secrets, options),
    (error) => {
      assert.ok(error instanceof WebhookVerificationError);
      assert.equal(error.code, code);
      for (const secret of [secrets].flat()) assert.ok(!inspect(error).includes(secret.slice(6)));
      return true;
    },
  );
}

test("the_standards_own_example_is_genuine", () => {
  assert.deepEqual(verify(BODY, HEADERS, SECRET, after(0)), { test: 2432232314 });
});

test("a_body_is_taken_as_text_or_bytes_and_headers_in_any_shape", () => {
  const upper = Object.fromEntries(Object.entries(HEADERS).map(([n, v]) => [n.toUpperCase(), v]));
  const listed = Object.fromEntries(Object.entries(HEADERS).map(([n, v]) => [n, [v]]));
  for (const body of [BODY, Buffer.from(BODY), new TextEncoder().encode(BODY)]) {
    for (const headers of [HEADERS, upper, listed, new Headers(HEADERS)]) {
      verify(body, headers, SECRET, after(0));
    }
  }
});

test("during_a_rotation_old_and_new_secret_are_accepted", () => {
  verify(BODY, HEADERS, [OTHER, SECRET], after(0));
  verify(BODY, HEADERS, [SECRET, OTHER], after(0));
  const both = { ...HEADERS, "webhook-signature": `${sign(OTHER, BODY)} ${SIGNATURE}` };
  verify(BODY, both, SECRET, after(0));
  verify(BODY, both, OTHER, after(0));
  refused("bad_signature", { secrets: OTHER });
});

test("whatever_is_changed_makes_it_no_longer_genuine", () => {
  refused("bad_signature", { body: BODY.replace("4", "5") });
  refused("bad_signature", { body: `${BODY} ` });
  refused("bad_signature", { body: JSON.stringify(JSON.parse(BODY)) });
  refused("bad_signature", { headers: { "webhook-id": `${ID}x` } });
  refused("bad_signature", { headers: { "webhook-timestamp": `${SECONDS + 1}` } });
  for (let at = 3; at < SIGNATURE.length; at += 1) {
    const other = SIGNATURE[at] === "A" ? "B" : "A";
    const changed = SIGNATURE.slice(0, at) + other + SIGNATURE.slice(at + 1);
    refused("bad_signature", { headers: { "webhook-signature": changed } });
  }
});

test("only_a_whole_signature_of_the_known_version_counts", () => {
  for (const signature of [
    SIGNATURE.slice(0, -1),
    SIGNATURE.slice(3),
    SIGNATURE.replace("v1,", "v1a,"),
    SIGNATURE.replace("v1,", "v2,"),
    `${SIGNATURE}x`,
    `${SIGNATURE},${SIGNATURE}`,
    "v1,",
    " ",
  ]) {
    refused("bad_signature", { headers: { "webhook-signature": signature } });
  }
});

test("a_message_of_another_time_is_refused_either_way", () => {
  verify(BODY, HEADERS, SECRET, after(300));
  verify(BODY, HEADERS, SECRET, after(-300));
  refused("too_old", { options: after(301) });
  refused("too_new", { options: after(-301) });
  refused("too_old", { options: { ...after(11), toleranceSeconds: 10 } });
  verify(BODY, HEADERS, SECRET, { ...after(3_600), toleranceSeconds: 3_600 });
  refused("too_old", { options: {} });
});

test("a_forged_message_is_called_forged_and_not_old", () => {
  refused("bad_signature", { body: "{}", options: after(9_999) });
});

test("a_header_that_is_missing_or_doubled_or_not_a_time_is_named", () => {
  for (const name of Object.keys(HEADERS)) {
    refused("missing_header", { headers: { [name]: undefined } });
    refused("missing_header", { headers: { [name]: "" } });
    refused("malformed_header", { headers: { [name]: [HEADERS[name], HEADERS[name]] } });
  }
  for (const time of ["1e9", " 1", "-1", "0x1", "1.5", "9".repeat(13), "NaN"]) {
    refused("malformed_header", { headers: { "webhook-timestamp": time } });
  }
});

test("a_genuine_body_that_is_no_object_is_refused", () => {
  for (const body of ["", "[]", "7", "null", "{", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])]) {
    const headers = { "webhook-signature": sign(SECRET, body) };
    refused("malformed_body", { body, headers });
  }
});

test("what_cannot_verify_anything_is_a_mistake_of_the_program", () => {
  const wrong = [undefined, "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a!", []];
  for (const secret of [...wrong, [SECRET, undefined]]) {
    assert.throws(() => verify(BODY, HEADERS, secret, after(0)), ConfigurationError);
  }
  for (const body of [{ test: 1 }, undefined, null]) {
    assert.throws(() => verify(body, HEADERS, SECRET, after(0)), /raw body/);
  }
  for (const toleranceSeconds of [NaN, -1]) {
    const options = { ...after(0), toleranceSeconds };
    assert.throws(() => verify(BODY, HEADERS, SECRET, options), ConfigurationError);
  }
});
