// The platform's operator: in by a link, merchants found, one looked at, suspended, let in again.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { checkPage, checkSource } from './harness/checks.mjs';
import { suite } from './harness/suite.mjs';

async function look(person) {
  await checkSource(person);
  // What looks for barriers is a script itself.
  if (person.script) await checkPage(person);
}

/** A call of the management API as the platform. */
async function manage(demo, path, body) {
  const response = await fetch(new URL(path, demo.facts.management_url), {
    method: 'POST',
    headers: { Authorization: `Bearer ${demo.facts.operator_token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

/** Somebody of the platform, let in by a link. */
async function operator(world, { script }) {
  const { secret } = await manage(world.demo, '/v1/operator-links', {});
  const person = await world.stranger({ script });
  assert.equal(await person.go('/operator'), 401, 'nobody is let in without one');
  await look(person);
  assert.equal(await person.go(new URL(secret.url).pathname), 200);
  await look(person);
  await person.press(/^open them/i);
  assert.equal(person.path, '/operator');
  return person;
}

suite('enterprise', [
  [
    'the operator finds a merchant, suspends it with a reason, and lets it in again',
    async (world, { script }) => {
      const { account } = world.demo.facts;
      const name = `Shop of many ${script}`;
      await manage(world.demo, '/v1/accounts', { name, external_id: `many-${script}` });
      const owner = await world.member('owner');
      const key = await owner.make({ kind: 'key', name: `Before ${script}`, access: { Invoices: 'Read' } });

      const person = await operator(world, { script });
      await look(person);
      assert.match(await person.text(), new RegExp(name));
      await person.fill(/^name, id/i, owner.me.email.slice(0, -4));
      if (!script) await person.press(/^apply/i);
      await person.main.getByText(name).waitFor({ state: 'detached' });
      await person.leads(() => person.main.locator(`a[href="/operator/${account}"]`).click());
      await look(person);
      const shown = await person.text();
      assert.match(shown, new RegExp(owner.me.email));
      assert.ok(!(await person.page.content()).includes(key.secret), 'no secret is on the page');

      await person.leads(() => person.main.getByRole('link', { name: /^suspend/i }).click());
      await look(person);
      const title = (await person.main.locator('.crumbs a').last().innerText()).trim();
      assert.equal(await person.unchecked(/^suspend now/i), 422);
      await look(person);
      await person.fill(/^why/i, 'Chargebacks under review');
      await person.fill(/^the merchant’s name/i, title);
      assert.equal(await person.press(/^suspend now/i), 200);
      assert.match(await person.text(), /refused everywhere from now on/i);
      await look(person);
      assert.equal((await call(world.demo, key)).status, 403);

      await person.go('/operator?show=suspended');
      await look(person);
      await person.leads(() => person.main.locator(`a[href="/operator/${account}"]`).click());
      await person.leads(() => person.main.getByRole('link', { name: /^let in again/i }).click());
      await look(person);
      await person.fill(/^why/i, 'Cleared');
      assert.equal(await person.press(/^let in again/i), 200);
      assert.equal((await call(world.demo, key)).status, 200);

      await owner.go('/audit');
      const log = await owner.text();
      assert.match(log, /looked at by the platform/i);
      await owner.go('/audit?action=account.suspended');
      await owner.main.locator('summary').first().click();
      assert.match(await owner.text(), /chargebacks under review/i);

      await person.go('/operator/rules');
      await look(person);
      await person.press(/^leave/i, person.page);
      assert.equal(person.status, 401);
      assert.equal(await person.go('/operator'), 401, 'the session has ended');
    },
  ],
]);
