import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';

/** Debian's, or what `$CHROMIUM` names. */
const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A name of no service here: what the pages of strangers are served under. */
export const FOREIGN_HOST = 'evil.test';

/** Longest that anything may take on a machine that is busy; what takes longer hangs. */
const HANG_MS = 120_000;

/** Every other name and address is one that can't be found, so that nothing ever leaves this machine. */
const HOSTS = [
  `MAP ${FOREIGN_HOST} 127.0.0.1`,
  'MAP * ~NOTFOUND',
  'EXCLUDE localhost',
  'EXCLUDE *.localhost',
  'EXCLUDE 127.0.0.1',
];

/**
 * Chromium without a window, for all tests of a file: contexts, which share nothing, are what each test has its own of.
 * @throws Error where there is none on this machine
 */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(PROGRAM)) {
    throw new Error(`There is no ${PROGRAM}. Install Chromium, or name it in $CHROMIUM.`);
  }
  return await chromium.launch({
    executablePath: PROGRAM,
    timeout: HANG_MS,
    args: [
      '--no-sandbox', // which root can't have
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--no-proxy-server',
      `--host-resolver-rules=${HOSTS.join(', ')}`,
    ],
  });
}

/** An empty page with cookies and a cache of its own, which go away with the test. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(HANG_MS);
  t.after(() => context.close());
  return await context.newPage();
}

/** Clicks on what leads elsewhere, and waits until the page there has come. */
export async function follow(link: Locator): Promise<void> {
  await Promise.all([link.page().waitForEvent('load'), link.click()]);
}
