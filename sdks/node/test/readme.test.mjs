// Every example of the README does what it says, its host aside.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { after, test } from "node:test";

import { consumer } from "./support/consumer.mjs";
import { FORM } from "./support/form.mjs";
import { demo } from "./support/keyway.mjs";
import { examples, HOSTS } from "./support/readme.mjs";

const program = await consumer();
const xtopay = await demo("xtopay");
const pair = xtopay.options();
const PAIR = { XTOPAY_CLIENT_ID: pair.clientId, XTOPAY_CLIENT_SECRET: pair.clientSecret };

async function run(code, url, environment) {
  await program.write("example.mjs", code.replace(HOSTS, url));
  return program.node(["example.mjs"], environment);
}

test("the_calls_with_a_pair_make_payments_and_read_them", async () => {
  const [{ code }] = await examples("Call");
  const printed = await run(code, xtopay.url, PAIR);
  assert.match(printed, /^pay_\w+ 5000$/m);
  assert.match(printed, /currency: 'GHS', amount: 3500/);
});

test("the_call_with_a_key_says_what_came_beside_the_value", async () => {
  const enterprise = await demo("enterprise");
  const [, { code }] = await examples("Call");
  const key = enterprise.options().apiKey;
  const printed = await run(code, enterprise.url, { ENTERPRISE_API_KEY: key });
  assert.match(printed, /^200 req_\S+ \{/);
});

test("the_error_is_told_by_its_class", async () => {
  const [{ code }] = await examples("When it fails");
  const printed = await run(code.replaceAll("console.error", "console.log"), xtopay.url, PAIR);
  assert.match(printed, /^404 resource_not_found req_/);
});

test("the_receiver_takes_a_genuine_message_and_refuses_another", async () => {
  const [{ code }] = await examples("Webhooks");
  const listening = "listen(0, function () { process.send(this.address().port); })";
  const file = await program.write("receiver.mjs", code.replace("listen(8000)", listening));
  const [other, key] = [Buffer.alloc(32), Buffer.alloc(32, 1)];
  const secrets = [other, key].map((bytes) => `whsec_${bytes.toString("base64")}`);
  const env = { ...process.env, WEBHOOK_SECRETS: secrets.join(" ") };
  const stdio = ["ignore", "ignore", "ignore", "ipc"];
  const receiver = fork(file, { cwd: program.folder, env, stdio });
  after(() => receiver.kill());
  const [port] = await once(receiver, "message");
  const body = '{"id":"evt_1","type":"webhook.test"}';
  const seconds = Math.floor(Date.now() / 1_000);
  const signature = createHmac("sha256", key).update(`evt_1.${seconds}.${body}`).digest("base64");
  const headers = {
    "webhook-id": "evt_1",
    "webhook-timestamp": `${seconds}`,
    "webhook-signature": `v1,${signature}`,
  };
  const send = (text) => fetch(`http://127.0.0.1:${port}`, { method: "POST", headers, body: text });
  assert.equal((await send(body)).status, 204);
  assert.equal((await send(`${body} `)).status, 400);
});

test("the_platforms_form_is_the_one_that_is_tested", async () => {
  const [, { code }] = await examples("Webhooks");
  const file = await program.write("form.mjs", `${code}\nexport { form };`);
  assert.deepEqual((await import(file)).form, FORM);
});

test("the_install_line_names_the_file_that_pack_makes", async () => {
  const [{ code }] = await examples("Install");
  assert.equal(code, `npm install ./${program.packed.filename}\n`);
});
