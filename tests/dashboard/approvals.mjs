// A second person: what one asks for, another approves or declines.

import assert from 'node:assert/strict';

import { checkPage, checkSource } from './harness/checks.mjs';
import { suite } from './harness/suite.mjs';
import { WORDS } from './pages.mjs';

/** The proof that a member gives where the scheme asks for none of its own. */
async function proofOf(person) {
  const { me, demo } = person;
  return me.totp_secret ? { code: await demo.codes(me).next() } : { password: me.password };
}

async function look(person) {
  await checkSource(person);
  // What looks for barriers is a script itself.
  if (person.script) await checkPage(person);
}

/** The owner asks for a key that pays out: the path of the request. */
async function ask(owner, name) {
  await owner.newKey('key');
  await owner.nameField().fill(name);
  await owner.grant({ Payouts: 'Write' });
  await owner.press(WORDS.create);
  assert.match(owner.path, /^\/approvals\/apr_/, await owner.alert());
  assert.match(await owner.text(), /it is not done yet/i);
  return owner.path;
}

suite('enterprise', [
  [
    'a key that moves money waits for a second person, and its secret is for who asked',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const admin = await world.member('admin', { script });
      await owner.go('/settings/security');
      await owner.main.getByLabel(/^a second person/i).check();
      await owner.prove({ password: owner.me.password });
      assert.equal(await owner.press(WORDS.save), 200);

      const name = `Pays out ${script}`;
      const path = await ask(owner, name);
      await look(owner);
      await admin.go('/live/keys');
      assert.equal(await admin.row(name).count(), 0, 'nothing was made yet');
      await admin.go('/approvals');
      await look(admin);
      await admin.leads(() => admin.main.getByRole('link', { name: `Create “${name}”` }).click());
      assert.equal(admin.path, path);
      await look(admin);
      assert.equal(await admin.unchecked(/^approve/i), 401, 'without a proof');
      await look(admin);
      await admin.prove(await proofOf(admin));
      assert.equal(await admin.press(/^approve/i), 200);
      assert.match(await admin.text(), /approved/i);

      await owner.go('/approvals');
      await owner.leads(() => owner.main.getByRole('link', { name: `Create “${name}”` }).click());
      await look(owner);
      await owner.prove(await proofOf(owner));
      await owner.press(/^do it/i);
      const { secret } = await owner.revealed();
      assert.ok(secret, 'the secret is shown to who asked');
      await owner.saved();
      await owner.go('/audit?action=api_key.created');
      await owner.main.locator('summary').first().click();
      assert.match(await owner.text(), new RegExp(`"approved_by": "${admin.me.email}"`));
    },
  ],
  [
    'what is declined says why, and is not done',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const admin = await world.member('admin', { script });
      const path = await ask(owner, `Declined ${script}`);
      await admin.go(path);
      assert.equal(await admin.unchecked(/^decline/i), 422);
      await admin.fill(/^why/i, 'Use the one we have');
      assert.equal(await admin.press(/^decline/i), 200);
      await owner.go(path);
      assert.match(await owner.text(), /use the one we have/i);
      assert.equal(await owner.button(/^do it/i).count(), 0);
      await look(owner);
    },
  ],
]);
