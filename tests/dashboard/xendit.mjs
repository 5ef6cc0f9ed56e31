// The dashboard's rows of the scheme `xendit`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { call } from './harness/calls.mjs';
import { eventually, suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const GRANT = { Balance: 'Read', Invoices: 'Write' };
const mode = (script) => (script ? 'with script' : 'without script');

function made(owner, name) {
  const proof = { password: owner.me.password };
  return owner.make({ kind: 'secret', name, access: GRANT, proof });
}

suite('xendit', [
  [
    'X05 keys are created and deleted in the dashboard',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const name = `X05 ${mode(script)}`;
      const key = await made(owner, name);
      await owner.list();
      assert.equal(await owner.row(name).count(), 1, 'the list has it');
      assert.equal((await call(world.demo, key)).status, 200);
      await owner.does('delete', key.credential, { typed: key.secret.slice(-4), password: owner.me.password });
      assert.equal((await call(world.demo, key)).status, 401);
      await owner.list();
      assert.equal(await owner.row(name).count(), 0, 'the list has it no more');
    },
  ],
  [
    'X07 generating a secret key: permissions, password, save it; a wrong password creates nothing',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const name = `X07 ${mode(script)}`;
      await owner.list();
      await owner.leads(() => owner.main.getByRole('link', { name: WORDS.create }).first().click());
      await owner.newKey('secret');
      await owner.nameField().fill(name);
      await owner.grant(GRANT);
      await owner.prove({ password: `${owner.me.password} not` });
      assert.equal(await owner.press(WORDS.create), 401, 'a wrong password');
      assert.ok(await owner.alert(), 'the page says what is wrong');
      assert.equal(await owner.nameField().inputValue(), name, 'what was typed is kept');
      const write = owner.resource('Invoices').getByRole('radio', { name: 'Write' });
      assert.ok(await write.isChecked(), 'what was chosen is kept');
      const field = owner.main.getByLabel(WORDS.yourPassword).first();
      assert.equal(await field.inputValue(), '', 'the password is not sent back');

      const other = await world.tab(owner.page.context(), { script, me: owner.me });
      await other.list();
      assert.equal(await other.row(name).count(), 0, 'nothing was created');

      await owner.prove({ password: owner.me.password });
      await owner.press(WORDS.create);
      const { secret } = await owner.revealed();
      const download = owner.page.waitForEvent('download');
      await owner.button(WORDS.download).click();
      const file = await readFile(await (await download).path(), 'utf8');
      assert.match(file, /^XENDIT_SECRET_KEY=/m);
      assert.ok(file.includes(secret), 'the file holds the key');
      await owner.saved();
      assert.ok(!(await owner.page.content()).includes(secret), 'afterwards no page has it');

      const key = { secret };
      assert.equal((await call(world.demo, key)).status, 200, 'Read on Balance');
      const forbidden = await call(world.demo, key, 'GET', '/customers');
      assert.equal(forbidden.status, 403, 'None on Customers');
    },
  ],
  [
    'X08 deleting a key asks for the password; from the answer on the key is refused',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const key = await made(owner, `X08 ${mode(script)}`);
      const typed = key.secret.slice(-4);
      assert.equal((await call(world.demo, key)).status, 200);
      const wrong = { typed, password: `${owner.me.password} not` };
      assert.equal(await owner.does('delete', key.credential, wrong), 401);
      assert.ok(await owner.alert());
      assert.equal((await call(world.demo, key)).status, 200, 'a wrong password deletes nothing');
      await owner.answer({ typed, password: owner.me.password });
      await owner.press(ACTS.delete.button);
      const refused = await call(world.demo, key);
      assert.equal(refused.status, 401);
      assert.equal(refused.body.error_code, 'INVALID_API_KEY');
    },
  ],
  [
    'X09 each key shows when it was last used, and unused ones are found by it',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const names = { used: `X09 used ${mode(script)}`, idle: `X09 idle ${mode(script)}` };
      const key = await made(owner, names.used);
      await made(owner, names.idle);
      assert.equal((await call(world.demo, key)).status, 200);
      await eventually('the list shows the use', 90, async () => {
        await owner.list('?sort=used');
        assert.ok(await owner.page.getByRole('columnheader', { name: WORDS.lastUsed }).count());
        assert.match(await owner.row(names.used).innerText(), WORDS.ago);
      });
      assert.match(await owner.row(names.idle).innerText(), WORDS.never);
      const rows = await owner.page.getByRole('row').allInnerTexts();
      const at = (name) => rows.findIndex((row) => row.includes(name));
      assert.ok(at(names.used) < at(names.idle), 'the list is sorted by last use');
      await owner.list('?show=unused');
      assert.equal(await owner.row(names.idle).count(), 1);
      assert.equal(await owner.row(names.used).count(), 0);
    },
  ],
]);
