// The tests' own tools: what they find, they must be able to find.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { launch, watch } from './harness/browser.mjs';
import { barriers, inlineCode, policyOf } from './harness/checks.mjs';
import { Codes, code, fromBase32 } from './harness/totp.mjs';

test('codes are those of RFC 6238', () => {
  const seed = Buffer.from('12345678901234567890');
  const codes = { 59: '94287082', 1111111109: '07081804', 1234567890: '89005924', 20000000000: '65353130' };
  for (const [seconds, wanted] of Object.entries(codes)) {
    assert.equal(code(seed, Math.floor(seconds / 30), 8), wanted);
  }
  assert.deepEqual(fromBase32('GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ'), seed);
});

test('no code is taken twice, and a wrong one is wrong', { timeout: 60_000 }, async () => {
  const codes = new Codes('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  const first = await codes.next();
  assert.equal(codes.used(), first);
  const second = await codes.next();
  assert.notEqual(first, second);
  assert.ok(![first, second].includes(codes.wrong()));
});

test('inline code and looks are found in a source, and only those', () => {
  const bad = ['<p style="x">', '<a onclick=go()>', '<style>', '<script>', '<a href="javascript:x">'];
  for (const tag of bad) assert.equal(inlineCode(`<main>${tag}</main>`).length, 1, tag);
  const good = '<p title="a > b style=x"><script src="/a.js" defer></script><a data-on="x" href="/y">';
  assert.deepEqual(inlineCode(good), []);
  assert.equal(policyOf("script-src 'self'; trusted-types 'none'")['trusted-types'], "'none'");
});

test('a page is watched, and axe looks through its policy', { timeout: 60_000 }, async () => {
  const policy = "default-src 'none'; img-src *; require-trusted-types-for 'script'; trusted-types 'none'";
  const server = createServer((_, answer) => {
    answer.writeHead(404, { 'content-type': 'text/html', 'content-security-policy': policy });
    answer.end('<!doctype html><title>x</title><img src="http://127.0.0.2:9/x.png"><script>1</script>');
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const seen = watch(page, origin);
    await page.goto(`${origin}/none`);
    assert.equal(seen.document.status, 404);
    assert.equal(seen.foreign.length, 1, 'the request to another origin');
    assert.ok(seen.errors.some((line) => /Content Security Policy/i.test(line)), 'the refused script');
    assert.ok(!seen.errors.some((line) => line.includes('404')), 'a 404 is an answer');
    const found = await barriers(page);
    assert.ok(found.some((line) => line.startsWith('image-alt')), found.join('\n'));
  } finally {
    await browser.close();
    server.close();
  }
});
