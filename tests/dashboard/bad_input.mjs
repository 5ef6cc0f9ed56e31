// What people and browsers do that no form expects: twice, back, late, too long, in another script.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const LONG = 'Very long name '.repeat(20);
const NAMES = ['مفتاح المتجر', 'מפתח אחד', '🔑 Kopi ☕️ 👩🏽‍💻', 'Zażółć <b>gęślą</b> & "jaźń"'];
const NEW = 'key';
const mode = (script) => (script ? 'with script' : 'without script');

const make = (person, name, more = {}) =>
  person.make({ kind: NEW, name, access: { Invoices: 'Read' }, ...more });

async function fillNew(person, name) {
  assert.equal(await person.newKey(NEW), 200);
  await person.nameField().fill(name);
  await person.grant({ Invoices: 'Read' });
}

/** The page without what differs from one answer to the next. */
async function plainSource(person) {
  const source = await person.page.content();
  return source.replace(/value="[^"]*"|req_[\w-]+|(cred|mem|key)_\w+|\d+ms/g, '');
}

suite('enterprise', [
  [
    'a form that is sent twice makes one key',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const name = `Twice ${mode(script)}`;
      await fillNew(owner, name);
      const { page } = owner;
      const button = owner.button(WORDS.create);
      const posts = [];
      page.on('request', (request) => request.method() === 'POST' && posts.push(request));
      await button.dblclick();
      await page.waitForURL('**/reveal/**');
      if (script) assert.equal(posts.length, 1, 'the script holds the second one back');
      // The same bytes again, as a browser sends them on "reload" or a flaky line repeats them.
      const again = await page.context().request.post(posts[0].url(), {
        data: posts[0].postData(),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          origin: world.demo.dashboard.origin,
          'sec-fetch-site': 'same-origin',
        },
        maxRedirects: 0,
      });
      assert.ok(again.status() < 500, `the repeat is answered: ${again.status()}`);
      await owner.list(`?q=${encodeURIComponent(name)}`);
      assert.equal(await owner.row(name).count(), 1);
    },
  ],
  [
    'going back after Finish does not show the secret again',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const key = await make(owner, `Back ${mode(script)}`);
      await owner.leads(() => owner.page.goBack());
      assert.ok(!(await owner.page.content()).includes(key.secret));
      assert.match(await owner.text(), WORDS.gone);
      await owner.leads(() => owner.page.goBack());
      assert.ok(!(await owner.page.content()).includes(key.secret), 'nor does the form before it');
    },
  ],
  [
    'two tabs: what one ended, the other is told about',
    async (world, { script }) => {
      const first = await world.member('owner', { script });
      const key = await make(first, `Tabs ${mode(script)}`);
      const second = await world.tab(first.page.context(), { script, me: first.me });
      await second.act(key.credential, 'rename');
      const answers = { reason: WORDS.unused, typed: key.secret.slice(-4), confirm: true };
      await first.does('revoke', key.credential, answers);
      await second.nameField().fill('Another name');
      assert.ok([409, 422].includes(await second.press(ACTS.rename.button)), `answered ${second.status}`);
      assert.ok(await second.alert(), 'the page says why');
      // And two tabs that both create are two keys.
      await fillNew(first, `Tab one ${mode(script)}`);
      await fillNew(second, `Tab two ${mode(script)}`);
      await first.press(WORDS.create);
      await second.press(WORDS.create);
      const [one, two] = [await first.revealed(), await second.revealed()];
      assert.notEqual(one.secret, two.secret);
    },
  ],
  [
    'an edit of what another member changed meanwhile is not saved over it',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const admin = await world.member('admin', { script });
      const key = await make(owner, `Stale ${mode(script)}`);
      await owner.act(key.credential, 'edit');
      await admin.act(key.credential, 'edit');
      await admin.grant({ Clients: 'Read' });
      await admin.press(ACTS.edit.button);
      assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 200);
      await owner.grant({ Payouts: 'Read' });
      assert.equal(await owner.press(ACTS.edit.button), 409);
      assert.ok(await owner.alert());
      assert.ok(await owner.resource('Payouts').getByRole('checkbox', { name: /read/i }).isChecked(), 'kept');
      assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 200, 'what the other saved');
      assert.equal((await call(world.demo, key, 'GET', '/mfi/payouts')).status, 403);
    },
  ],
  [
    'a session that ended in mid-form keeps what was typed, but no password',
    async (world, { script }) => {
      const here = await world.newcomer({ script });
      const key = await make(here, `Ended ${mode(script)}`);
      const there = await world.stranger({ script });
      const secret = 'a password that must not come back';
      const endOthers = async () => {
        await here.go('/you');
        const end = here.main.getByRole('button', { name: WORDS.endOthers });
        await here.leads(() => end.click());
        assert.equal(await here.list(), 200, 'the session that ended the others goes on');
      };

      await there.signIn(here.me);
      await fillNew(there, 'Typed before the end');
      await endOthers();
      assert.equal(await there.press(WORDS.create), 401);
      assert.match(await there.page.innerText('body'), WORDS.goOn);
      await there.fill(WORDS.password, here.me.password);
      await there.press(WORDS.signIn);
      assert.equal(await there.nameField().inputValue(), 'Typed before the end');
      const read = there.resource('Invoices').getByRole('checkbox', { name: /read/i });
      assert.ok(await read.isChecked(), 'what was chosen is there too');
      await there.press(WORDS.create);
      await there.revealed();
      await there.saved();

      await there.act(key.credential, 'expire');
      await there.prove({ password: secret });
      await endOthers();
      assert.equal(await there.unchecked(ACTS.expire.button), 401);
      assert.ok(!(await there.page.content()).includes(secret));
      await there.fill(WORDS.password, here.me.password);
      await there.press(WORDS.signIn);
      const field = there.main.getByLabel(WORDS.yourPassword).first();
      assert.equal(await field.inputValue(), '', 'a password is not kept');
      assert.equal((await call(world.demo, key)).status, 200, 'nothing happened');
    },
  ],
  [
    'without a session, a form is answered by signing in, and a page leads back afterwards',
    async (world, { script }) => {
      const person = await world.newcomer({ script });
      await fillNew(person, 'Typed by nobody');
      await person.page.context().clearCookies();
      assert.equal(await person.press(WORDS.create), 401);
      assert.match(await person.page.innerText('body'), WORDS.goOn);
      await person.go('/settings/notices');
      assert.equal(person.path, '/sign-in');
      await person.fill(WORDS.email, person.me.email);
      await person.fill(WORDS.password, person.me.password);
      await person.press(WORDS.signIn);
      assert.equal(person.path, '/settings/notices');
      await person.list();
      assert.equal(await person.row('Typed by nobody').count(), 0);
    },
  ],
  [
    "another account's key is the same 404 as one that does not exist",
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const key = await make(owner, `Mine ${mode(script)}`);
      const other = await world.newcomer({ script });
      const nobodys = key.credential.replace(/.{6}$/, (end) => (end === '000000' ? '111111' : '000000'));
      for (const act of ['', '/revoke', '/edit', '/rename', '/replace', '/expire']) {
        assert.equal(await other.detail(`${key.credential}${act}`), 404, `of another account${act}`);
        const theirs = await plainSource(other);
        assert.equal(await other.detail(`${nobodys}${act}`), 404, `of nobody${act}`);
        assert.equal(await plainSource(other), theirs, 'the two pages say the same');
        assert.ok(!theirs.includes('Mine'));
      }
      assert.equal(await other.go(`/test/keys/${key.credential}`), 404, 'nor by the other environment');
      assert.equal((await call(world.demo, key)).status, 200);
    },
  ],
  [
    'a name of 300 characters is refused and kept',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      await fillNew(owner, LONG);
      assert.equal(await owner.unchecked(WORDS.create), 422);
      assert.match(await owner.alert(), /name/i);
      const field = owner.nameField();
      assert.equal((await field.inputValue()).trim(), LONG.trim());
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
      const described = await field.getAttribute('aria-describedby');
      const texts = await Promise.all(
        described.split(' ').map((id) => owner.page.locator(`#${id}`).innerText()),
      );
      assert.match(texts.join(' '), /character|long/i, 'the field says what is wrong with it');
    },
  ],
  [
    'names from right to left, with emoji or with markup, are shown as they were typed',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      await owner.page.setViewportSize({ width: 320, height: 700 });
      for (const plain of NAMES) {
        const name = `${plain} ${script ? 1 : 2}`;
        const key = await make(owner, name);
        assert.ok((await owner.page.locator('h1').innerText()).includes(name));
        assert.match(await owner.page.title(), /\S/);
        const width = await owner.page.evaluate(() => document.scrollingElement.scrollWidth);
        assert.ok(width <= 320, `${name}: the page is ${width} px wide`);
        await owner.list(`?q=${encodeURIComponent(plain)}`);
        assert.equal(await owner.row(name).count(), 1, `${name} is found`);
        assert.equal((await call(world.demo, key)).status, 200);
      }
      await owner.go('/audit');
      assert.ok((await owner.text()).includes(NAMES[0]), 'the audit log too');
    },
  ],
]);
