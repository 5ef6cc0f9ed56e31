// The whole life of a credential with the keyboard alone: create, reveal, rotate, roll back, revoke.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const STOPS_MAX = 120;

/** Presses Tab until the element has the focus, and it can be seen that it has. */
async function tabTo(person, locator, key = 'Tab') {
  await locator.waitFor({ state: 'attached' });
  const there = () => locator.evaluate((element) => element === document.activeElement);
  for (let stops = 0; stops < STOPS_MAX; stops += 1) {
    if (await there()) {
      const seen = await locator.evaluate((element) => element.matches(':focus-visible'));
      assert.ok(seen, 'the focus can be seen');
      return;
    }
    await person.page.keyboard.press(key);
  }
  assert.fail(`${locator} is not reached by ${STOPS_MAX} presses of ${key}`);
}

async function type(person, label, text) {
  const field = person.main.getByLabel(label).filter({ visible: true }).first();
  await tabTo(person, field);
  await person.page.keyboard.type(text);
}

/** Chooses a radio: Tab to its group, arrows within it. */
async function choose(person, radios, wanted) {
  const checked = radios.and(person.page.locator(':checked'));
  await tabTo(person, (await checked.count()) ? checked.first() : radios.first());
  for (let presses = 0; presses < 10 && !(await wanted.isChecked()); presses += 1) {
    await person.page.keyboard.press('ArrowRight');
  }
  assert.ok(await wanted.isChecked(), 'arrows reach the choice');
}

const tick = async (person, box) => {
  await tabTo(person, box);
  await person.page.keyboard.press('Space');
  assert.ok(await box.isChecked());
};

const follow = async (person, link) => {
  await tabTo(person, link);
  return person.leads(() => person.page.keyboard.press('Enter'));
};

async function open(person, credential, act) {
  const links = person.page.locator(`main a[href$="/keys/${credential}/${act}"]`);
  return follow(person, links.filter({ visible: true }).first());
}

async function finish(person) {
  await tick(person, person.page.getByRole('checkbox', { name: WORDS.saved }));
  return follow(person, person.button(WORDS.finish));
}

suite(
  'rapyd',
  [
    [
      'keyboard only: create, reveal, rotate, roll back, revoke',
      async (world, { script }) => {
        const owner = await world.member('owner', { script });
        const codes = world.demo.codes(owner.me);
        const { keyboard } = owner.page;

        await owner.list();
        await keyboard.press('Tab');
        const skip = owner.page.getByRole('link', { name: WORDS.skip });
        assert.ok(await skip.evaluate((link) => link === document.activeElement), 'the first stop skips');
        await keyboard.press('Enter');
        await follow(owner, owner.main.getByRole('link', { name: WORDS.create }).first());

        await tabTo(owner, owner.nameField());
        await keyboard.type('By keyboard');
        const data = owner.resource('Reference data').getByRole('radio');
        await choose(owner, data, data.and(owner.main.getByRole('radio', { name: /read/i })));
        await type(owner, WORDS.yourCode, await codes.next());
        await owner.leads(() => keyboard.press('Enter'));
        const first = await owner.revealed();
        await finish(owner);
        const credential = owner.credential();
        assert.equal((await call(world.demo, first)).status, 200);

        await open(owner, credential, 'rotate');
        const stops = owner.main.locator('.track').getByRole('radio');
        await choose(owner, stops, stops.last());
        await tick(owner, owner.boxes().first());
        await type(owner, WORDS.yourCode, await codes.next());
        await follow(owner, owner.button(ACTS.rotate.button));
        const second = await owner.revealed();
        await finish(owner);
        assert.equal((await call(world.demo, second)).status, 200);

        await open(owner, credential, 'rollback');
        await keyboard.press('Escape');
        await owner.page.waitForURL(`**/keys/${credential}`);
        assert.equal((await call(world.demo, second)).status, 200, 'Esc does nothing but go back');
        await open(owner, credential, 'rollback');
        await tick(owner, owner.boxes().first());
        await type(owner, WORDS.yourCode, await codes.next());
        await follow(owner, owner.button(ACTS.rollback.button));
        assert.equal((await call(world.demo, second)).status, 401);
        assert.equal((await call(world.demo, first)).status, 200);

        await owner.detail(credential);
        await open(owner, credential, 'revoke');
        const reasons = owner.main.getByRole('group', { name: WORDS.why }).getByRole('radio');
        if (await reasons.count()) {
          await tabTo(owner, reasons.first());
          await keyboard.press('Space');
        }
        for (const box of await owner.boxes().all()) await tick(owner, box);
        const typed = owner.main.getByLabel(WORDS.typed);
        if (await typed.count()) await type(owner, WORDS.typed, first.secret.slice(-4));
        await type(owner, WORDS.yourCode, await codes.next());
        await follow(owner, owner.button(ACTS.revoke.button));
        assert.equal((await call(world.demo, first)).status, 401);
      },
    ],
  ],
  { modes: [true] },
);
