// What holds for every page: no barrier that axe knows of, no inline code, no word to another origin,
// and no sideways scrolling on a narrow screen.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { NARROW, WIDE } from './browser.mjs';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const REFLOW = { width: 320, height: 700 };
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'connect-src': "'self'",
  'form-action': "'self'",
  'base-uri': "'none'",
  'frame-ancestors': "'none'",
  'require-trusted-types-for': "'script'",
  'trusted-types': "'none'",
};

const require = createRequire(import.meta.url);
let axeSource;

/** The barriers that axe finds on a page, one line for each element. */
export async function barriers(page) {
  axeSource ??= await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  // The page's own policy forbids a script element; the debugger may still run text.
  await page.evaluate(`window.axe || (() => {${axeSource}\n})()`);
  const result = await page.evaluate(
    (values) => window.axe.run(document, { resultTypes: ['violations'], runOnly: { type: 'tag', values } }),
    RULES,
  );
  return result.violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id} (${help}): ${node.target.join(' ')} ${node.html.slice(0, 160)}`),
  );
}

/** The tags of a page's source that carry code or looks of their own. */
export function inlineCode(source) {
  const found = [];
  for (const [tag, name, attributes] of source.matchAll(/<([a-z][a-z0-9-]*)((?:"[^"]*"|'[^']*'|[^"'>])*)>/gi)) {
    const bare = attributes.replace(/"[^"]*"|'[^']*'/g, '""');
    const short = tag.slice(0, 120);
    if (/(^|\s)(style|on[a-z]+)\s*=/i.test(bare)) found.push(short);
    if (name.toLowerCase() === 'style') found.push(short);
    if (name.toLowerCase() === 'script' && !/\ssrc\s*=/i.test(bare)) found.push(short);
    if (/=\s*["']?\s*javascript:/i.test(attributes)) found.push(short);
  }
  return found;
}

export function policyOf(header) {
  return Object.fromEntries(
    header.split(';').map((part) => {
      const [name, ...values] = part.trim().split(/\s+/);
      return [name, values.join(' ')];
    }),
  );
}

/** What the server sent: its headers and its source. */
export async function checkSource(person) {
  const { headers, source, url } = person.seen.document;
  const policy = policyOf(headers['content-security-policy'] ?? '');
  assert.deepEqual({ ...POLICY, ...policy }, policy, `${url}: the policy says all that it should`);
  for (const [name, value] of Object.entries(POLICY)) assert.equal(policy[name], value, name);
  const { pathname } = new URL(url);
  assert.match(headers['cache-control'] ?? '', /no-store/, `${pathname} is kept nowhere`);
  assert.deepEqual(inlineCode(await source), [], `${pathname} has no code or looks in its source`);
}

/** Looks at a page as it is now: in both sizes and both themes, and at 320 pixels. */
export async function checkPage(person) {
  const { page } = person;
  const problems = [];
  for (const size of [WIDE, NARROW]) {
    await page.setViewportSize(size);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const where = `${size.width} ${colorScheme}`;
      problems.push(...(await barriers(page)).map((line) => `${where}: ${line}`));
    }
  }
  await page.setViewportSize(REFLOW);
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  if (width > REFLOW.width) problems.push(`at 320 pixels the page is ${width} wide`);
  assert.equal(await page.locator('h1').count(), 1, 'the page has one main heading');
  assert.ok((await page.title()).trim(), 'the page has a title');
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'light' });
  assert.deepEqual(problems, [], page.url());
}
