// What is packed, and that both module systems and their types find their way in it.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import * as esm from "@keyway/node";

import { consumer, PACKAGE } from "./support/consumer.mjs";

const program = await consumer();
const read = (path) => readFile(join(PACKAGE, path), "utf8");

test("the_package_holds_what_is_built_and_nothing_else", async () => {
  const sources = await readdir(join(PACKAGE, "src"), { recursive: true });
  const modules = sources.filter((name) => /(?<!\.d)\.ts$/.test(name));
  const built = modules.flatMap((name) => {
    const stem = name.slice(0, -".ts".length);
    return ["esm", "cjs"].flatMap((kind) => [
      `dist/${kind}/${stem}.js`,
      `dist/${kind}/${stem}.d.ts`,
    ]);
  });
  const wanted = ["LICENSE", "README.md", "package.json", "dist/cjs/package.json", ...built];
  const packed = program.packed.files.map(({ path }) => path);
  assert.deepEqual(packed.sort(), wanted.sort());
});

test("nothing_of_others_comes_along", async () => {
  const manifest = JSON.parse(await read("package.json"));
  for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
    assert.equal(manifest[kind], undefined);
  }
  for (const name of ["preinstall", "install", "postinstall"]) {
    assert.equal(manifest.scripts[name], undefined);
  }
});

test("version_and_licence_are_the_repositorys", async () => {
  const { version } = JSON.parse(await read("package.json"));
  assert.match(await read("src/version.ts"), new RegExp(`VERSION = "${version}";`));
  assert.match(await read("../../Cargo.toml"), new RegExp(`^version = "${version}"$`, "m"));
  assert.equal(await read("LICENSE"), await read("../../LICENSE"));
});

const CHECK = `
const keyway = new Keyway({ apiKey: "sk_test_0123456789", baseUrl: "https://api.example.com" });
console.log(JSON.stringify([Default === Keyway, typeof keyway.payments.list, names]));
`;

test("both_module_systems_find_the_same_names", async () => {
  const names = JSON.stringify([true, "function", Object.keys(esm).sort()]);
  await program.write(
    "check.mjs",
    `import Default, * as all from "@keyway/node";
const { Keyway } = all;
const names = Object.keys(all).sort();${CHECK}`,
  );
  assert.equal((await program.node(["check.mjs"])).trim(), names);
  await program.write(
    "check.cjs",
    `const all = require("@keyway/node");
const { Keyway, default: Default } = all;
const names = Object.keys(all).sort();${CHECK}`,
  );
  assert.equal((await program.node(["check.cjs"])).trim(), names);
});

const TYPED = `
import Default, { ApiError, Keyway, type Payment, type WebhookEvent } from "@keyway/node";

const keyway = new Keyway({ clientId: "cid", clientSecret: "csk", timeoutMs: 1 });
new Default({ apiKey: "key" });
// @ts-expect-error: an id without its secret.
new Keyway({ clientId: "cid" });
// @ts-expect-error: two credentials.
new Keyway({ clientId: "cid", clientSecret: "csk", apiKey: "key" });
// @ts-expect-error: an amount is a number.
keyway.payments.create({ amount: "1", currency: "GHS" });
// @ts-expect-error: payments are not filtered by it.
keyway.payments.list({ colour: "red" });
// @ts-expect-error: the secret is not there to be read.
keyway.clientSecret;

export async function typed(): Promise<Payment> {
  const event: WebhookEvent = Keyway.webhooks.verify("{}", { "webhook-id": "1" }, ["whsec_"]);
  const answer = await keyway.request<{ id: string }>("GET", \`/v1/\${event.type}\`, {
    signal: AbortSignal.timeout(1),
  });
  for await (const refund of keyway.refunds.all({ payment: answer.data.id })) refund.amount + 1;
  try {
    return await keyway.payments.retrieve("x", { idempotencyKey: false });
  } catch (error) {
    if (error instanceof ApiError) error.status + 1;
    throw error;
  }
}
`;

test("types_are_found_from_both_module_systems", async () => {
  await program.write("typed.mts", TYPED);
  await program.write("typed.cts", TYPED);
  await program.compile(["typed.mts", "typed.cts"], "--noEmit");
});
