// How the tests of a scheme are run: each with script and without, on pages that stay quiet.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { World } from './world.mjs';

const TEST_SECONDS = 300;
const START_SECONDS = 120;

/** Runs one test in a world; afterwards its pages must not have complained. */
export async function inWorld(world, name, run) {
  try {
    await run();
  } catch (error) {
    error.message += `\n\nthe pages were:\n${await world.describe(name)}`;
    await world.closePages();
    throw error;
  }
  const { errors, foreign } = await world.closePages();
  assert.deepEqual(errors, [], 'no page reported an error');
  assert.deepEqual(foreign, [], 'no page asked another origin');
}

/**
 * `tests` is a list of [name, async (world, { script }) => …]. With `apart`, both modes have a demo
 * of their own and run beside each other: for schemes whose one-time codes would hold each other up.
 */
export function suite(scheme, tests, { modes = [true, false], apart = false } = {}) {
  const describeModes = (title, scripts) =>
    // Not what the outer one says: tests of one world share its pages.
    describe(title, { concurrency: 1 }, () => {
      let world;
      before(async () => (world = await World.start(scheme)), { timeout: START_SECONDS * 1000 });
      after(() => world?.stop());
      for (const script of scripts) {
        for (const [what, run] of tests) {
          const name = `${what} (${scheme}, script ${script ? 'on' : 'off'})`;
          const go = () => inWorld(world, name, () => run(world, { script }));
          test(name, { timeout: TEST_SECONDS * 1000 }, go);
        }
      }
    });
  if (!apart) return describeModes(scheme, modes);
  return describe(scheme, { concurrency: modes.length }, () => {
    for (const script of modes) describeModes(`script ${script ? 'on' : 'off'}`, [script]);
  });
}

/** Waits for a fact that another part brings about: tries again until it holds. */
export async function eventually(what, seconds, attempt) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) {
        error.message = `not within ${seconds} s: ${what}\n${error.message}`;
        throw error;
      }
      await pause(500);
    }
  }
}
