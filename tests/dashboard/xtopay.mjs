// The dashboard's rows of the scheme `xtopay`.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { WORDS } from './pages.mjs';

suite('xtopay', [
  [
    'T01 Settings, API credentials, Generate: a Client ID and a Client Secret, shown once',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      await owner.go('/settings');
      const way = owner.page.getByRole('link', { name: /^API credentials/i }).filter({ visible: true });
      await owner.leads(() => way.first().click());
      await owner.leads(() => owner.main.getByRole('link', { name: WORDS.create }).first().click());
      await owner.newKey('client');
      const name = `T01 ${script ? 'with script' : 'without script'}`;
      await owner.nameField().fill(name);
      await owner.grant({ Balance: 'Read' });
      await owner.press(WORDS.create);

      const shown = owner.page.url();
      const pair = await owner.revealed();
      assert.match(pair.id, /^cid_live_[0-9A-Za-z]{32}$/);
      assert.match(pair.secret, /^csk_live_[0-9A-Za-z]{64}$/);
      await owner.page.reload();
      assert.deepEqual(await owner.revealed(), pair, 'a reload before Finish shows it again');
      assert.equal((await call(world.demo, pair)).status, 200);

      await owner.saved();
      const page = await owner.page.content();
      assert.ok(page.includes(pair.id), 'the Client ID can be read again');
      assert.ok(!page.includes(pair.secret), 'the secret is gone');
      assert.equal(await owner.go(shown), 410, 'after Finish it is shown no more');
      assert.ok(!(await owner.page.content()).includes(pair.secret));
      assert.match(await owner.text(), WORDS.gone);
      await owner.list();
      assert.equal(await owner.row(name).count(), 1);
    },
  ],
  [
    'T11 Settings, Alerts: the threshold of a spike is saved',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const threshold = script ? '7' : '9';
      await owner.go('/settings/alerts');
      await owner.fill(WORDS.spike, threshold);
      if (await owner.asksForPassword()) await owner.prove({ password: owner.me.password });
      await owner.press(WORDS.save);
      assert.equal(await owner.alert(), '', 'nothing is wrong with it');
      await owner.go('/settings/alerts');
      const field = owner.main.getByLabel(WORDS.spike).first();
      assert.equal(await field.inputValue(), threshold);
      await owner.fill(WORDS.spike, '-1');
      if (await owner.asksForPassword()) await owner.prove({ password: owner.me.password });
      assert.equal(await owner.unchecked(WORDS.save), 422, 'a threshold that makes no sense');
      assert.ok(await owner.alert());
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
    },
  ],
]);
