// T04: the platform's own document, whose example runs as it is printed, its host aside.

import assert from "node:assert/strict";
import { test } from "node:test";

import { consumer } from "./support/consumer.mjs";
import { demo } from "./support/keyway.mjs";
import { examples, HOSTS } from "./support/readme.mjs";

const DOCUMENT = `import Xtopay from "@xtopay/node";
const xtopay = new Xtopay({
clientId: process.env.XTOPAY_CLIENT_ID!,
clientSecret: process.env.XTOPAY_CLIENT_SECRET!,
});`;

/** What the document leaves to its reader: a call. */
const CALL = `
const payment = await xtopay.payments.create({ amount: 5000, currency: "GHS" });
console.log(JSON.stringify(await xtopay.payments.retrieve(payment.id)));
`;

const NODE = "declare const process: { env: Record<string, string | undefined> };\n";

test("t04_the_documents_example_runs_as_printed", async () => {
  const server = await demo("xtopay");
  const { clientId, clientSecret } = server.options();
  const program = await consumer();
  const [manifest, index, types] = await examples("Under a platform's own name");
  const at = "node_modules/@xtopay/node";
  await program.write(`${at}/package.json`, manifest.code);
  await program.write(`${at}/index.js`, index.code.replace(HOSTS, server.url));
  await program.write(`${at}/index.d.ts`, types.code);
  await program.write("node.d.ts", NODE);
  await program.write("example.mts", DOCUMENT + CALL);
  await program.compile(["node.d.ts", "example.mts"]);
  const names = { XTOPAY_CLIENT_ID: clientId, XTOPAY_CLIENT_SECRET: clientSecret };
  const payment = JSON.parse(await program.node(["example.mjs"], names));
  assert.deepEqual([payment.amount, payment.currency, payment.livemode], [5000, "GHS", false]);
});

test("the_readme_prints_the_documents_example", async () => {
  const printed = (await examples("Under a platform's own name")).at(-1).code;
  assert.equal(printed.replace(/^ +/gm, "").trim(), DOCUMENT);
});
