// One Chromium per test file, and what every page of it is watched for.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
];

export const WIDE = { width: 1280, height: 860 };
export const NARROW = { width: 390, height: 844 };
export const ACTION_SECONDS = 10;

export function launch() {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: FLAGS });
}

/**
 * Watches a page. `errors` are console errors and exceptions, `foreign` requests that leave `origin`,
 * `document` the newest page: its status, headers and source.
 */
export function watch(page, origin) {
  const seen = { errors: [], foreign: [], document: null };
  page.on('console', (message) => {
    // A page that answers 404 or 422 is no error of the page.
    const answer = message.text().startsWith('Failed to load resource') && message.location().url;
    const isPage = answer && seen.pages.has(new URL(answer).href);
    if (message.type() === 'error' && !isPage) seen.errors.push(`${page.url()}: ${message.text()}`);
  });
  seen.pages = new Set();
  page.on('pageerror', (error) => seen.errors.push(`${page.url()}: ${error.message}`));
  page.on('request', (request) => {
    if (request.isNavigationRequest()) seen.pages.add(request.url());
    const { protocol } = new URL(request.url());
    if (protocol.startsWith('http') && new URL(request.url()).origin !== origin) {
      seen.foreign.push(`${page.url()}: ${request.url()}`);
    }
  });
  page.on('response', (response) => {
    const request = response.request();
    const whole = request.isNavigationRequest() && request.frame() === page.mainFrame();
    const moved = response.status() >= 300 && response.status() < 400;
    if (!whole || moved || response.headers()['content-disposition']) return;
    const source = response.text().catch(() => '');
    seen.document = { status: response.status(), headers: response.headers(), source, url: response.url() };
  });
  return seen;
}
