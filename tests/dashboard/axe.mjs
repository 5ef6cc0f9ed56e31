// Every page and state: no barrier, no inline code, no sideways scrolling. See harness/checks.mjs.

import { after, before, describe, test } from 'node:test';

import { checkPage, checkSource } from './harness/checks.mjs';
import { inWorld } from './harness/suite.mjs';
import { World } from './harness/world.mjs';
import { SCHEMES, states } from './states.mjs';

for (const scheme of Object.keys(SCHEMES)) {
  describe(`pages of ${scheme}`, () => {
    let world;
    before(async () => (world = await World.start(scheme)), { timeout: 120_000 });
    after(() => world?.stop());
    for (const [name, open] of states(scheme)) {
      const title = `page: ${name} (${scheme})`;
      const look = async () => {
        const person = await open(world);
        await checkSource(person);
        await checkPage(person);
      };
      test(title, { timeout: 180_000 }, () => inWorld(world, title, look));
    }
  });
}
