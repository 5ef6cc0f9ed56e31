// The log of requests: what was asked with which key, and what was decided.

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { eventually, suite } from './harness/suite.mjs';
import { WORDS } from './pages.mjs';

suite('enterprise', [
  [
    'a request is found by its id, its key, its status and its endpoint',
    async (world, { script }) => {
      const owner = await world.newcomer({ script });
      const first = await owner.make({ kind: 'key', name: 'First', access: { Invoices: 'Read' } });
      const second = await owner.make({ kind: 'key', name: 'Second', access: { Invoices: 'Read' } });
      assert.equal((await call(world.demo, first, 'GET', '/mfi/invoices?note=Mxyzptlk')).status, 200);
      assert.equal((await call(world.demo, first, 'GET', '/mfi/clients/Mxyzptlk')).status, 403);
      assert.equal((await call(world.demo, second)).status, 200);
      const rows = owner.main.locator('tbody tr');
      const shows = (many) =>
        eventually(`${many} rows`, 30, async () => assert.equal(await rows.count(), many));
      await owner.list();
      await owner.leads(() => owner.page.getByRole('link', { name: WORDS.requestLog }).first().click());
      await eventually('the requests are there', 30, async () => {
        await owner.go('/requests');
        assert.equal(await rows.count(), 3);
      });
      assert.doesNotMatch(await owner.page.content(), /Mxyzptlk/, 'nothing of a path or a query');
      assert.match(await owner.text(), /GET \/mfi\/clients\/\{id\}/);

      const apply = () => owner.main.getByRole('button', { name: /^apply/i }).click();
      await owner.main.getByLabel(/^status/i).selectOption({ label: 'Refused' });
      await apply();
      await shows(1);
      assert.match(await owner.text(), /insufficient scope/i);
      const [id] = /req_[\w-]{60,}/.exec(await owner.page.content());

      await owner.go('/requests');
      await owner.main.getByLabel(/^key/i).selectOption(second.credential);
      await apply();
      await shows(1);
      await owner.go('/requests');
      await owner.main.getByLabel(/^endpoint/i).selectOption('/mfi/invoices');
      await apply();
      await shows(2);
      await owner.go('/requests');
      await owner.fill(/^request id/i, id);
      await apply();
      await shows(1);
      await owner.main.locator('summary').first().click();
      assert.ok(await owner.main.getByText(id).first().isVisible(), 'all of the id');
      await owner.go('/requests?address=192.0.2.1');
      assert.match(await owner.text(), /no request matches/i);
      const files = await owner.page.request.get(new URL('/requests.csv', world.demo.dashboard).href);
      assert.equal((await files.text()).trim().split('\r\n').length, 4);
    },
  ],
]);
