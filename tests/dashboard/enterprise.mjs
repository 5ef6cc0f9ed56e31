// The dashboard's rows of the scheme `enterprise`.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { eventually, suite } from './harness/suite.mjs';
import { ACTS, WORDS } from './pages.mjs';

const DAY_MS = 86_400_000;
const mode = (script) => (script ? 'with script' : 'without script');
const inDays = (days) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);

function made(person, name, access = { Invoices: 'Read' }, more = {}) {
  return person.make({ kind: 'key', name, access, ...more });
}

suite('enterprise', [
  [
    'E02 creating a key takes a name, an environment, scopes and an optional date of expiry',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const date = inDays(60);
      for (const environment of ['live', 'test']) {
        const name = `E02 ${environment} ${mode(script)}`;
        const key = await made(owner, name, { Invoices: 'Read' }, { environment, date });
        assert.match(key.secret, new RegExp(`^sk_${environment}_`));
        assert.equal(await owner.heading(name).count(), 1);
        const text = await owner.text();
        assert.match(text, /invoices/i);
        const [year, , day] = date.split('-').map(Number);
        const word = new Date(date).toLocaleString('en', { month: 'short', timeZone: 'UTC' });
        assert.match(text, new RegExp(`${date}|${day} ${word}\\w* ${year}`), 'the page says when it ends');
        assert.equal((await call(world.demo, key)).status, 200);
        const other = await call(world.demo, key, 'GET', '/mfi/clients');
        assert.equal(other.status, 403, 'a scope that was not chosen');
      }
      const lasting = await made(owner, `E02 no date ${mode(script)}`);
      assert.equal((await call(world.demo, lasting)).status, 200, 'the date is optional');

      await owner.newKey('key');
      await owner.nameField().fill('E02 yesterday');
      await owner.grant({ Invoices: 'Read' });
      await owner.expiresOn(inDays(-1));
      assert.equal(await owner.unchecked(WORDS.create), 422, 'a date in the past');
      assert.ok(await owner.alert());
      assert.equal(await owner.nameField().inputValue(), 'E02 yesterday');
    },
  ],
  [
    'E07 the list shows name, environment, created, last used, scopes and status',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const name = `E07 ${mode(script)}`;
      const key = await made(owner, name, { Invoices: ['Read', 'Write'], Payouts: 'Read' });
      await owner.list();
      const columns = (await owner.page.getByRole('columnheader').allInnerTexts()).join('|');
      for (const column of [/name|key/i, /created|age/i, WORDS.lastUsed, /scopes|access/i, /status/i]) {
        assert.match(columns, column);
      }
      const environments = owner.page.getByRole('navigation', { name: WORDS.environment });
      assert.equal((await environments.locator('[aria-current]').innerText()).trim(), 'Live');
      const row = owner.row(name);
      assert.match(await row.innerText(), /\bActive\b/);
      assert.match(await row.innerText(), WORDS.never, 'not used yet');
      const access = await row.getByRole('img').evaluateAll((all) => all.map((x) => x.ariaLabel).join('|'));
      assert.match(`${access}|${await row.innerText()}`, /write.*read|invoices/i);
      await owner.does('revoke', key.credential, { reason: WORDS.unused, typed: key.secret.slice(-4), confirm: true });
      await owner.list('?show=ended');
      assert.match(await owner.row(name).innerText(), /\bRevoked\b/);
    },
  ],
  [
    'E08 revoking asks for a confirmation; from the answer on the key gets 401',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const key = await made(owner, `E08 ${mode(script)}`);
      assert.equal((await call(world.demo, key)).status, 200);
      await owner.act(key.credential, 'revoke');
      assert.equal(await owner.unchecked(ACTS.revoke.button), 422, 'without the confirmation');
      assert.ok(await owner.alert());
      assert.equal((await call(world.demo, key)).status, 200, 'nothing happened');
      await owner.answer({ reason: WORDS.leaked, typed: key.secret.slice(-4), confirm: true });
      await owner.press(ACTS.revoke.button);
      const refused = await call(world.demo, key);
      assert.equal(refused.status, 401);
      assert.match(refused.body.message, /^Revoked key/);
      await owner.detail(key.credential);
      assert.match(await owner.text(), /\bRevoked\b/);
    },
  ],
  [
    'E09 rotating in steps: a new key with the same scopes, see it used, revoke the old one',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const old = await made(owner, `E09 ${mode(script)}`);
      await owner.act(old.credential, 'replace');
      await owner.press(WORDS.create);
      const fresh = await owner.revealed();
      assert.notEqual(fresh.secret, old.secret);
      fresh.credential = await owner.saved();
      assert.equal((await call(world.demo, old)).status, 200, 'the old key works on');

      await owner.go(`/live/keys/${old.credential}/replace`);
      assert.match(await owner.text(), WORDS.waiting, 'the new key is not used yet');
      assert.equal((await call(world.demo, fresh)).status, 200, 'the same scopes: what the old one may');
      assert.equal((await call(world.demo, fresh, 'GET', '/mfi/clients')).status, 403, 'and no more');
      await eventually('the page sees the new key used', 90, async () => {
        await owner.go(`/live/keys/${old.credential}/replace`);
        assert.doesNotMatch(await owner.text(), WORDS.waiting);
      });
      const revoke = owner.main.getByRole('button', { name: ACTS.revoke.link });
      if (!(await revoke.count())) {
        await owner.leads(() => owner.main.getByRole('link', { name: ACTS.revoke.link }).first().click());
      }
      const typed = old.secret.slice(-4);
      await owner.answer({ reason: WORDS.unused, typed, confirm: await owner.mustConfirm() });
      await owner.press(ACTS.revoke.link);
      assert.equal((await call(world.demo, old)).status, 401);
      assert.equal((await call(world.demo, fresh)).status, 200);
    },
  ],
  [
    'E14 the usage of a key can be watched',
    async (world, { script }) => {
      const owner = await world.member('owner', { script });
      const key = await made(owner, `E14 ${mode(script)}`);
      for (let n = 0; n < 5; n += 1) assert.equal((await call(world.demo, key)).status, 200);
      for (let n = 0; n < 2; n += 1) {
        assert.equal((await call(world.demo, key, 'GET', '/mfi/clients')).status, 403);
      }
      await eventually('the page shows the requests', 90, async () => {
        await owner.detail(key.credential);
        const requests = owner.page.getByRole('region', { name: WORDS.requests }).first();
        const text = (await requests.innerText()).replace(/\s+/g, ' ');
        assert.match(text, /requests (total )?[57]\b/i);
      });
      assert.ok(await owner.page.getByRole('img', { name: WORDS.requests }).first().isVisible(), 'a chart with a name');
      const table = owner.page.getByText(WORDS.asTable);
      await table.click();
      assert.ok(await owner.page.getByRole('table').first().isVisible(), 'the same in words');
      assert.match(await owner.text(), /127\.0\.0\.1/, 'from where it was used');
    },
  ],
]);
