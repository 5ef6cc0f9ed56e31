// Pictures of every page and state: `run --shots FOLDER [SCHEME...]`. Not a test.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { NARROW, WIDE } from './harness/browser.mjs';
import { World } from './harness/world.mjs';
import { SCHEMES, states } from './states.mjs';

const [folder, ...chosen] = process.argv.slice(2);
const LOOKS = [
  [WIDE, 'light'],
  [WIDE, 'dark'],
  [NARROW, 'light'],
];

await mkdir(folder, { recursive: true });
let failed = 0;
for (const scheme of chosen.length > 0 ? chosen : Object.keys(SCHEMES)) {
  const world = await World.start(scheme);
  try {
    for (const [name, open] of states(scheme)) {
      try {
        const { page } = await open(world);
        const file = `${scheme}-${name}`.replace(/[^\w]+/g, '-');
        for (const [size, colorScheme] of LOOKS) {
          await page.setViewportSize(size);
          await page.emulateMedia({ colorScheme });
          const path = join(folder, `${file}-${size.width}-${colorScheme}.png`);
          await page.screenshot({ path, fullPage: true });
        }
        console.log(`${scheme}: ${name}`);
      } catch (error) {
        failed += 1;
        console.error(`${scheme}: ${name}: ${error.message}\n${await world.describe(name)}`);
      }
      await world.closePages();
    }
  } finally {
    await world.stop();
  }
}
process.exitCode = failed > 0 ? 1 : 0;
