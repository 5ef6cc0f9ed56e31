// A demo with a browser beside it, and the people who use it.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Dashboard } from '../pages.mjs';
import { ACTION_SECONDS, WIDE, launch, watch } from './browser.mjs';
import { Demo } from './demo.mjs';

let companies = 0;

export class World {
  #browser;
  #states = new Map();
  #pages = [];

  static async start(scheme) {
    const demo = await Demo.start(scheme);
    try {
      return new World(demo, await launch());
    } catch (error) {
      await demo.stop();
      throw error;
    }
  }

  constructor(demo, browser) {
    this.demo = demo;
    this.#browser = browser;
  }

  /** Somebody who has not signed in, in a browser of their own. */
  async stranger({ script = true, state } = {}) {
    const context = await this.#browser.newContext({
      baseURL: this.demo.dashboard.origin,
      javaScriptEnabled: script,
      locale: 'en-GB',
      reducedMotion: 'reduce',
      storageState: state,
      timezoneId: 'Asia/Jakarta',
      viewport: WIDE,
    });
    context.setDefaultTimeout(ACTION_SECONDS * 1000);
    return this.tab(context, { script });
  }

  /** One more tab of a browser. */
  async tab(context, { script = true, me } = {}) {
    const page = await context.newPage();
    const seen = watch(page, this.demo.dashboard.origin);
    this.#pages.push({ page, seen });
    return new Dashboard(page, { demo: this.demo, seen, script, me });
  }

  /** A member of the demo's account, signed in once for all tests of this world. */
  async member(role, { script = true } = {}) {
    const me = this.demo.member(role);
    if (!this.#states.has(role)) {
      this.#states.set(role, this.#signIn(me));
    }
    const dashboard = await this.stranger({ script, state: await this.#states.get(role) });
    dashboard.me = me;
    return dashboard;
  }

  async #signIn(me) {
    const dashboard = await this.stranger();
    await dashboard.signIn(me);
    const state = await dashboard.page.context().storageState();
    await dashboard.close();
    return state;
  }

  /** A member with a session that nobody else has. */
  async ownSession(role, { script = true } = {}) {
    const me = this.demo.member(role);
    const dashboard = await this.stranger({ script });
    await dashboard.signIn(me);
    return dashboard;
  }

  /** The owner of a company that signed up just now and has no authenticator. */
  async newcomer({ script = true } = {}) {
    companies += 1;
    const email = `newcomer-${process.pid}-${companies}@example.com`;
    const dashboard = await this.stranger({ script });
    await dashboard.signUp({ company: `Company ${companies}`, name: 'Noor Newcomer', email });
    return dashboard;
  }

  /** What went wrong where: for whoever reads a failure. */
  async describe(name) {
    const folder = process.env.KEYWAY_DASHBOARD_FAILURES;
    const lines = [];
    for (const { page } of this.#pages) {
      if (page.isClosed()) continue;
      const heading = await page.locator('h1').allInnerTexts().catch(() => []);
      const alerts = await page.getByRole('alert').allInnerTexts().catch(() => []);
      lines.push(`  ${page.url()} ${JSON.stringify({ heading, alerts })}`);
      if (!folder) continue;
      await mkdir(folder, { recursive: true });
      const file = join(folder, `${name.replace(/[^\w]+/g, '-').slice(0, 90)}-${lines.length}`);
      await page.screenshot({ path: `${file}.png`, fullPage: true }).catch(() => {});
      await writeFile(`${file}.html`, await page.content().catch(() => ''));
    }
    return lines.join('\n');
  }

  /** Closes what one test opened, and says what its pages did that no page may do. */
  async closePages() {
    const pages = this.#pages.splice(0);
    for (const { page } of pages) {
      if (!page.isClosed()) await page.context().close();
    }
    return {
      errors: pages.flatMap(({ seen }) => seen.errors),
      foreign: pages.flatMap(({ seen }) => seen.foreign),
    };
  }

  async stop() {
    await this.#browser.close();
    await this.demo.stop();
  }
}
