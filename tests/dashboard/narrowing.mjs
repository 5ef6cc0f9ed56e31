// An edit that takes something away says first what it would have refused.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { eventually, suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

suite('enterprise', [
  [
    'a narrowing is saved only when what it would have refused was seen',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      const access = { Invoices: ['Read', 'Write'], Clients: 'Read' };
      const key = await owner.make({ kind: 'key', name: 'Narrowed', access });
      for (let n = 0; n < 3; n += 1) assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 200);
      await eventually('the form shows the requests', 60, async () => {
        await owner.act(key.credential, 'edit');
        assert.match(await owner.resource('Clients').innerText(), /3 in 30 days/);
      });
      const read = { name: /\bread\b/i };
      await owner.resource('Clients').getByRole('checkbox', read).uncheck();
      assert.equal(await owner.press(ACTS.edit.button), 422, 'it does not narrow in silence');
      assert.match(await owner.text(), /3 requests of the last 30 days would have been refused/i);
      assert.ok(await owner.alert());
      assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 200, 'nothing happened');
      assert.equal(await owner.resource('Clients').getByRole('checkbox', read).isChecked(), false, 'the choice is kept');

      await owner.resource('Invoices').getByRole('checkbox', { name: /\bwrite\b/i }).uncheck();
      await owner.main.getByRole('checkbox', { name: WORDS.seen }).check();
      assert.equal(await owner.press(ACTS.edit.button), 422, 'more is taken away than was seen');
      await owner.main.getByRole('checkbox', { name: WORDS.seen }).check();
      await owner.press(ACTS.edit.button);
      assert.equal(owner.credential(), key.credential);
      assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 403);
      assert.equal((await call(world.demo, key)).status, 200, 'what was left stays');
    },
  ],
]);
