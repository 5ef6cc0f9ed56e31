// The dashboard's rows of the scheme `rapyd`. Each proof is a code that passes once, so each mode has
// a demo of its own and both run at the same time.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const works = async (world, key) => (await call(world.demo, key)).status === 200;

/** The pair that the demo came with, as the owner rotates it. */
function signing(world) {
  const { id, access_key, secret_key } = world.demo.credential('signing', 'live');
  return { credential: id, id: access_key, secret: secret_key };
}

async function rotates(owner, key, code, overlap = WORDS.day) {
  await owner.act(key.credential, 'rotate');
  await owner.main.getByRole('radio', { name: overlap }).check();
  await owner.answer({ confirm: true, code });
  await owner.press(ACTS.rotate.button);
}

const rotating = async (owner, key) => {
  await owner.detail(key.credential);
  return WORDS.rotating.test(await owner.text());
};

async function rollsBack(owner, key, codes) {
  await owner.act(key.credential, 'rollback');
  await owner.answer({ confirm: true, code: await codes.next() });
  await owner.press(ACTS.rollback.button);
}

suite(
  'rapyd',
  [
    [
      'R03 rotating warns, and does nothing until the box is ticked',
      async (world, { script }) => {
        const owner = await world.member('owner', { script });
        const key = signing(world);
        const codes = world.demo.codes(owner.me);
        await owner.act(key.credential, 'rotate');
        await owner.main.getByRole('radio', { name: WORDS.now }).check();
        assert.match(await owner.text(), WORDS.stopsAtOnce, 'the warning of Now');
        await owner.answer({ code: codes.wrong() });
        const before = owner.page.url();
        await owner.button(ACTS.rotate.button).click();
        assert.equal(owner.page.url(), before, 'the browser asks for the tick first');
        const box = owner.boxes().first();
        assert.equal(await box.evaluate((input) => input.validity.valueMissing), true);
        // The code is wrong too: a right one would be kept, and R04 would not be asked for one.
        assert.ok([401, 422].includes(await owner.unchecked(ACTS.rotate.button)), 'and so does the server');
        assert.ok(await owner.alert());
        assert.ok(await owner.main.getByRole('radio', { name: WORDS.now }).isChecked(), 'the choice is kept');
        assert.ok(await works(world, key));
        assert.equal(await rotating(owner, key), false);
      },
    ],
    [
      'R04 a wrong or reused code changes nothing',
      async (world, { script }) => {
        const owner = await world.member('owner', { script });
        const key = signing(world);
        const codes = world.demo.codes(owner.me);
        await rotates(owner, key, codes.wrong());
        assert.equal(owner.status, 401);
        assert.ok(await owner.alert());
        const field = owner.main.locator('input[name=code]');
        assert.equal(await field.inputValue(), '', 'the code is not sent back');
        assert.equal(await field.getAttribute('aria-invalid'), 'true');
        // The code that signed this member in was used.
        await owner.answer({ confirm: true, code: codes.used() });
        assert.equal(await owner.press(ACTS.rotate.button), 401);
        assert.ok(await works(world, key));
        assert.equal(await rotating(owner, key), false);
      },
    ],
    [
      'R05 and R09 a rotation ends with a confirmation; rolling it back warns, asks, and takes effect at once',
      async (world, { script }) => {
        const owner = await world.member('owner', { script });
        const key = signing(world);
        const codes = world.demo.codes(owner.me);
        await rotates(owner, key, await codes.next());
        const fresh = await owner.revealed();
        assert.match(await owner.text(), /previous|until/i, 'it says what becomes of the previous secret');
        assert.equal(await owner.saved(), key.credential);
        assert.match(await owner.text(), WORDS.twoSecrets);
        assert.ok(await works(world, key), 'both work');
        assert.ok(await works(world, fresh), 'both work');

        await owner.act(key.credential, 'rollback');
        assert.match(await owner.text(), /deleted at once|at once/i, 'the warning');
        await owner.answer({ code: codes.wrong() });
        assert.ok([401, 422].includes(await owner.unchecked(ACTS.rollback.button)), 'the box must be ticked');
        await owner.answer({ confirm: true, code: codes.used() });
        assert.equal(await owner.press(ACTS.rollback.button), 401, 'a used code');
        assert.ok(await works(world, fresh), 'nothing happened');
        assert.ok(await rotating(owner, key));

        await rollsBack(owner, key, codes);
        assert.equal((await call(world.demo, fresh)).status, 401, 'the new secret is refused at once');
        assert.ok(await works(world, key), 'the previous one stays');
        assert.equal(await rotating(owner, key), false);
        await owner.go('/audit');
        const log = await owner.text();
        assert.match(log, /rolled back/i);
        assert.match(log, /rotated/i);
      },
    ],
  ],
  { apart: true },
);
