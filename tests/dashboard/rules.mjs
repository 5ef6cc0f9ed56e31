// Security rules and email notices of an account.

import assert from 'node:assert/strict';

import { suite } from './harness/suite.mjs';
import { WORDS } from './pages.mjs';

suite('enterprise', [
  [
    'rules are saved with the password, hold from then on, and are in the audit log',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      await owner.go('/settings/security');
      await owner.fill(/^longest lifetime/i, '60');
      await owner.main.getByLabel(/^allowed addresses/i).check();
      assert.equal(await owner.unchecked(WORDS.save), 401, 'without the password');
      assert.ok(await owner.alert());
      assert.equal(await owner.main.getByLabel(/^longest lifetime/i).inputValue(), '60', 'what was typed stays');
      await owner.prove({ password: owner.me.password });
      assert.equal(await owner.press(WORDS.save), 200);
      assert.match(await owner.text(), /saved/i);
      assert.ok(await owner.main.getByLabel(/^allowed addresses/i).isChecked());

      await owner.newKey('key');
      assert.match(await owner.text(), /within 60 days after it was made: a rule of your account/i);
      assert.equal(await owner.main.getByRole('radio', { name: /^never/i }).count(), 0, 'never is not offered');
      await owner.nameField().fill('Pays out');
      await owner.grant({ Payouts: 'Write' });
      assert.equal(await owner.unchecked(WORDS.create), 422);
      assert.match(await owner.alert(), /this account has set the rule .allowed addresses/i);
      await owner.fill(/^allowed ip/i, '203.0.113.0/24');
      await owner.press(WORDS.create);
      await owner.revealed();

      await owner.go('/audit?action=settings.updated');
      await owner.main.locator('summary').first().click();
      assert.match(await owner.text(), /"lifetime_days_max": 60/);
    },
  ],
  [
    'a second factor for everyone is asked of whoever sets it first',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      await owner.go('/settings/security');
      await owner.main.getByLabel(/^second factor/i).check();
      await owner.prove({ password: owner.me.password });
      assert.equal(await owner.unchecked(WORDS.save), 422);
      assert.match(await owner.alert(), /your own authenticator app first/i);
    },
  ],
  [
    'email notices are ticked role by role, but an end is always told',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      await owner.go('/settings/notices');
      const box = (name) => owner.main.getByRole('checkbox', { name });
      assert.equal(await box('Revoked: Owner').count(), 0, 'what cannot be switched off is no box');
      assert.ok(await box('Created: Admin').isChecked());
      await box('Created: Admin').uncheck();
      await box('Created: Developer').check();
      await owner.prove({ password: owner.me.password });
      assert.equal(await owner.press(WORDS.save), 200);
      assert.equal(await box('Created: Admin').isChecked(), false);
      assert.ok(await box('Created: Developer').isChecked());
      await owner.go('/audit?action=settings.updated');
      assert.match(await owner.text(), /settings changed/i);
    },
  ],
]);
