import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startClient } from '../../src/daemon/client.ts';
import { startSimulatedOllama } from '../../src/simulate/ollama.ts';
import type { Cluster } from '../_cluster.ts';
import { clientConfig, TestLog } from '../_cluster-config.ts';
import { temporaryDirectory } from '../_daemon.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable, startBrowser } from './_browser.ts';
import { chat, openTab, startShown, TAB_NAMES, TABS, type Tab, violations } from './_dashboard.ts';

/** What each tab shows of the fleet of these tests. */
const SHOWN: Readonly<Record<Tab, readonly (string | RegExp)[]>> = {
  fleet: [/2 of 3|3 of 3/, 'llama3.2:latest', 'OpenAI client (Python)', 'Ollama API'],
  trends: ['Tokens read and written', 'The same as a table'],
  models: ['gemma3:12b', 'Used in the last 30 days'],
  apps: ['editor', 'notes'],
  benchmarks: ['Speeds learned from requests'],
  health: ['of 100'],
  recommendations: ['There is nothing to recommend'],
  settings: ['log-level', 'OLLANA_PORT'],
  logs: ['gemma3:12b', /^20\d\d-\d\d-\d\d \d\d:/],
};
/** Set to have the screenshots in docs/ made anew. */
const SHOTS = process.env.OLLANA_SCREENSHOTS === '1';
const FOLDER = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));

skipBecause(browserUnavailable());

describe('the dashboard in Chromium', () => {
  let browser: Browser;
  let fleet: Cluster;
  beforeAll(async () => {
    if (browserUnavailable() !== undefined) return;
    mkdirSync(FOLDER, { recursive: true });
    [browser, fleet] = await Promise.all([startBrowser({}), startShown()]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  it.each(TAB_NAMES)('shows %s, light and dark, to everybody, and asks nobody else', async (tab) => {
    for (const dark of [false, true]) {
      await using opened = await openTab(browser, fleet.url, tab, { dark });
      const { page, asked, wrong } = opened;
      for (const text of SHOWN[tab]) await page.getByText(text).first().waitFor();
      expect(await violations(page)).toEqual([]);
      expect(asked.filter((url) => new URL(url).origin !== fleet.url)).toEqual([]);
      expect(wrong).toEqual([]);
      if (SHOTS)
        await page.screenshot({ path: `${FOLDER}${tab}-${dark ? 'dark' : 'light'}.png`, fullPage: true });
    }
  });

  it.each(TAB_NAMES)('has room for %s on a phone', async (tab) => {
    await using opened = await openTab(browser, fleet.url, tab, { width: 360 });
    for (const text of SHOWN[tab]) await opened.page.getByText(text).first().waitFor();
    expect(await opened.page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    if (SHOTS) await opened.page.screenshot({ path: `${FOLDER}${tab}-phone.png` });
  });

  it('is painted within a second', async () => {
    await using opened = await openTab(browser, fleet.url, 'fleet');
    const painted = await opened.page.evaluate(
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    );
    expect(painted).toBeLessThan(1000);
  });

  it('shows a request within a second of its end', async () => {
    await using opened = await openTab(browser, fleet.url, 'fleet');
    await chat(fleet.url, 'llama3.2', 'fresh-app');
    await opened.page.getByRole('cell', { name: 'fresh-app' }).waitFor({ timeout: 1000 });
  });

  it('goes through its tabs by keyboard, and says where it is', async () => {
    await using opened = await openTab(browser, fleet.url, 'fleet');
    const { page } = opened;
    await page.getByRole('link', { name: TABS.settings }).focus();
    // What a screen reader is told, and what is so as soon as the heading is another one.
    await page.evaluate(`{
      const heading = document.querySelector('h1');
      globalThis.told = [];
      heading.addEventListener('focus', () => told.push(heading.textContent));
      const changed = { childList: true, characterData: true, subtree: true };
      new MutationObserver(() => told.push(document.title)).observe(heading, changed);
    }`);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: TABS.settings }).waitFor();
    expect(await page.evaluate('told')).toEqual([TABS.settings, `${TABS.settings} · laptop`]);
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
    const current = page.locator('nav a[aria-current=page]');
    expect(await current.textContent()).toBe(TABS.settings);
  });

  it('keeps the colours that are chosen', async () => {
    await using opened = await openTab(browser, fleet.url, 'fleet');
    const { page } = opened;
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.getByLabel('Colours').selectOption('dark');
    expect(await ground()).not.toBe(light);
    await page.reload();
    await page.locator('.link.live').waitFor();
    expect(await ground()).not.toBe(light);
  });

  it('searches the requests, and says why one went where it went', async () => {
    await using opened = await openTab(browser, fleet.url, 'logs');
    const { page } = opened;
    await page.getByLabel('Model', { exact: true }).fill('llama3.2');
    await page.getByRole('cell', { name: 'qwen3:8b' }).first().waitFor({ state: 'detached' });
    const first = page.getByRole('button', { name: /^Why request/ }).first();
    await first.click();
    expect(await first.getAttribute('aria-expanded')).toBe('true');
    await page.getByText(/^ollana why [0-9a-f-]{36}$/).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByLabel('Search').fill('nobody-has-said-this');
    await page.getByText('No request is like this').waitFor();
  });
});

describe('the dashboard of a daemon', () => {
  let browser: Browser;
  beforeAll(async () => {
    if (browserUnavailable() === undefined) browser = await startBrowser({});
  });
  afterAll(() => browser?.close());

  it('goes on when the daemon is started again at its port', async () => {
    using folder = temporaryDirectory('dashboard');
    const start = (port: number, name: string) =>
      startClient(clientConfig(folder.path, { port, name }), new TestLog());
    const first = await start(0, 'before');
    await using opened = await openTab(browser, first.url, 'fleet');
    const { page } = opened;
    await page.getByText('No server has been found').waitFor();
    await first.stop();
    await page.getByText('connection lost').waitFor();
    const second = await start(Number(new URL(first.url).port), 'after');
    try {
      await page.getByText(/^after · /).waitFor({ timeout: 5000 });
      await page.locator('.link.live').waitFor();
    } finally {
      await second.stop();
    }
  });

  it('shows hostile names as text', async () => {
    using folder = temporaryDirectory('dashboard');
    const bad = '<img src=x onerror=globalThis.hit=1>';
    await using ollama = await startSimulatedOllama({ models: [{ name: `${bad}:latest` }] });
    await ollama.load(`${bad}:latest`);
    const config = { servers: [`${ollama.url}=${bad}`], traces: true };
    const daemon = await startClient(clientConfig(folder.path, config), new TestLog());
    try {
      await chat(daemon.url, bad, bad);
      for (const tab of ['fleet', 'models', 'apps', 'logs', 'health'] as const) {
        await using opened = await openTab(browser, daemon.url, tab);
        if (tab !== 'health') await opened.page.getByText(bad).filter({ visible: true }).first().waitFor();
        expect(await opened.page.evaluate('[globalThis.hit, document.images.length]')).toEqual([
          undefined,
          0,
        ]);
        expect(opened.wrong).toEqual([]);
      }
    } finally {
      await daemon.stop();
    }
  });
});
