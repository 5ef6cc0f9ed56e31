// When something has gone wrong: everything that fits a choice, revoked in one act.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

suite('enterprise', [
  [
    'everything that fits is revoked in one act, when its count is typed',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      const make = (name, access, environment = 'live') =>
        owner.make({ kind: 'key', name, access, environment });
      const payer = await make('Payer', { Payouts: ['Read', 'Write'] });
      const reader = await make('Reader', { Invoices: 'Read' });
      const tester = await make('Tester', { Payouts: 'Write' }, 'test');
      assert.equal((await call(world.demo, reader)).status, 200);

      await owner.list();
      await owner.leads(() => owner.page.getByRole('link', { name: WORDS.incident }).first().click());
      assert.match(await owner.text(), /3 API keys fit/);
      await owner.main.getByLabel(/^access/i).selectOption({ label: 'Can move money' });
      await owner.main.getByLabel(/^environment/i).selectOption({ label: 'Live' });
      await owner.press(/^show what fits/i);
      assert.match(await owner.text(), /1 API key fits/);
      assert.equal(await owner.main.getByRole('row').filter({ hasText: 'Payer' }).count(), 1);

      assert.equal(await owner.unchecked(WORDS.revokeMany), 422, 'without its count');
      assert.ok(await owner.alert());
      await owner.answer({ reason: WORDS.leaked, typed: '2' });
      assert.equal(await owner.unchecked(WORDS.revokeMany), 422, 'with another count');
      assert.match(await owner.text(), /1 API key fits/, 'the choice is kept');
      await owner.answer({ reason: WORDS.leaked, typed: '1' });
      await owner.press(WORDS.revokeMany);
      assert.match(await owner.text(), /refused everywhere/i);
      assert.match(await owner.text(), /what to do next/i);
      assert.equal((await call(world.demo, payer, 'GET', '/mfi/payouts')).status, 401);
      assert.equal((await call(world.demo, reader)).status, 200, 'what does not fit stays');

      await owner.go('/incident');
      await owner.answer({ reason: WORDS.leaked, typed: '2' });
      await owner.press(WORDS.revokeMany);
      for (const key of [reader, tester]) assert.equal((await call(world.demo, key)).status, 401);
      assert.match(await owner.text(), /nothing fits/i);
    },
  ],
  [
    'a leak shows what is to be done, before the act and after it',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      const key = await owner.make({ kind: 'key', name: 'Leaked', access: { Invoices: 'Read' } });
      await owner.act(key.credential, 'revoke');
      const steps = owner.main.getByText(/rotate its siblings/i);
      assert.equal(await steps.isVisible(), false, 'no reason is chosen yet');
      await owner.main.getByRole('radio', { name: WORDS.unused }).check();
      assert.equal(await steps.isVisible(), false, 'another reason');
      await owner.answer({ reason: WORDS.leaked, confirm: true });
      assert.ok(await steps.isVisible());
      await owner.press(ACTS.revoke.button);
      assert.match(await owner.text(), /what to do next.*look at what it did since.*tell/i);
      await owner.leads(() => owner.main.getByRole('link', { name: /revoke everything that fits/i }).click());
      assert.equal(owner.path, '/incident');
    },
  ],
]);
