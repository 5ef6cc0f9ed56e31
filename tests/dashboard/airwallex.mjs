// The dashboard's rows of the scheme `airwallex`.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const GRANT = { Balances: 'View', 'Payment intents': 'Edit' };
const works = async (world, key) => (await call(world.demo, key)).status === 200;
const wrong = (person) => `${person.me.password} not`;

suite('airwallex', [
  [
    'A03 generating the admin key asks for the login password; the key is shown once',
    async (world, { script }) => {
      // An account has at most one, and that of the demo's account is there already.
      const owner = await world.newcomer({ script });
      const { password } = owner.me;
      assert.equal(await owner.newKey('admin'), 200);
      await owner.nameField().fill('Admin');
      await owner.prove({ password: wrong(owner) });
      assert.equal(await owner.press(WORDS.create), 401);
      assert.ok(await owner.alert());
      await owner.list();
      assert.equal(await owner.row('Admin').count(), 0, 'a wrong password creates nothing');

      const key = await owner.create({ kind: 'admin', name: 'Admin', proof: { password } });
      assert.match(key.id, /^awc_live_/);
      assert.match(key.secret, /^awk_live_/);
      assert.ok(await works(world, key));
      const shown = owner.page.url();
      await owner.saved();
      assert.ok(!(await owner.page.content()).includes(key.secret));
      assert.equal(await owner.go(shown), 410, 'it is shown once');

      await owner.newKey('admin');
      if (await owner.nameField().count()) {
        await owner.nameField().fill('Second');
        await owner.prove({ password });
        await owner.press(WORDS.create);
      }
      assert.ok([403, 409, 422].includes(owner.status), `a second one is refused: ${owner.status}`);
    },
  ],
  [
    'A11 each act on a key asks for the login password, and a wrong one changes nothing',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const { password } = owner.me;
      const name = `A11 ${script ? 'with script' : 'without script'}`;

      await owner.newKey('restricted');
      await owner.nameField().fill(name);
      await owner.grant(GRANT);
      await owner.prove({ password: wrong(owner) });
      assert.equal(await owner.press(WORDS.create), 401, 'create');
      await owner.prove({ password });
      await owner.press(WORDS.create);
      let key = await owner.revealed();
      const credential = await owner.saved();
      assert.ok(await works(world, key));

      await owner.act(credential, 'rename');
      await owner.nameField().fill(`${name} renamed`);
      await owner.prove({ password: wrong(owner) });
      assert.equal(await owner.press(ACTS.rename.button), 401, 'rename');
      await owner.prove({ password });
      await owner.press(ACTS.rename.button);
      assert.equal(await owner.heading(`${name} renamed`).count(), 1);

      await owner.act(credential, 'edit');
      await owner.grant({ Balances: 'None' });
      await owner.prove({ password });
      assert.equal(await owner.press(ACTS.edit.button), 422, 'what it takes away is seen first');
      await owner.main.getByRole('checkbox', { name: WORDS.seen }).check();
      await owner.prove({ password: wrong(owner) });
      assert.equal(await owner.press(ACTS.edit.button), 401, 'edit');
      assert.ok(await works(world, key), 'the scope is what it was');
      await owner.prove({ password });
      await owner.press(ACTS.edit.button);
      assert.equal((await call(world.demo, key)).status, 403, 'the scope changed, the secret did not');

      assert.equal(await owner.does('regenerate', credential, { password: wrong(owner) }), 401, 'regenerate');
      assert.equal((await call(world.demo, key)).status, 403, 'the key is what it was');
      await owner.answer({ password });
      await owner.press(ACTS.regenerate.button);
      const former = key;
      key = await owner.revealed();
      await owner.saved();
      assert.equal((await call(world.demo, former)).status, 401, 'the old one ends at once');
      assert.equal((await call(world.demo, key)).status, 403);

      await owner.act(credential, 'duplicate');
      await owner.nameField().fill(`${name} twin`);
      await owner.grant({ Balances: 'View' });
      await owner.prove({ password: wrong(owner) });
      assert.equal(await owner.press(ACTS.duplicate.button), 401, 'duplicate');
      await owner.prove({ password });
      await owner.press(ACTS.duplicate.button);
      const twin = await owner.revealed();
      const second = await owner.saved();
      assert.notEqual(second, credential);
      assert.ok(await works(world, twin), 'with a changed scope');

      for (const [act, id, used] of [['revoke', credential, key], ['delete', second, twin]]) {
        const answers = { reason: WORDS.unused, typed: used.secret.slice(-4), confirm: true };
        const before = (await call(world.demo, used)).status;
        assert.equal(await owner.does(act, id, { ...answers, password: wrong(owner) }), 401, act);
        assert.equal((await call(world.demo, used)).status, before, `${act}: nothing happened`);
        await owner.answer({ ...answers, password });
        await owner.press(ACTS[act].button);
        assert.equal((await call(world.demo, used)).status, 401, `${act}: it is refused`);
      }
    },
  ],
]);
