import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startClient } from '../../src/daemon/client.ts';
import { startSimulatedOllama } from '../../src/simulate/ollama.ts';
import { startCluster } from '../_cluster.ts';
import { clientConfig, TestLog } from '../_cluster-config.ts';
import { temporaryDirectory } from '../_daemon.ts';
import { until, within } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable, startBrowser } from './_browser.ts';
import { openTab, violations } from './_dashboard.ts';

const answer = 'one two three four '.repeat(100);
const isChat = ({ path }: { path: string }) => path === '/api/chat';

skipBecause(browserUnavailable());

describe('the tab of benchmarks in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    if (browserUnavailable() === undefined) browser = await startBrowser({});
  }, 60_000);
  afterAll(() => browser?.close());

  it('runs one when asked and agreed to, by keyboard, shows it, and keeps it', async () => {
    const model = { name: 'm', tokensPerSecond: 800, prefillPerSecond: 8000 };
    await using cluster = await startCluster({ ollamas: [{ models: [model], answer }], loaded: ['m'] });
    await using opened = await openTab(browser, cluster.url, 'benchmarks');
    const { page, wrong } = opened;
    const chats = () => cluster.ollamas[0]?.seen.filter(isChat).length;
    await page.getByText('No benchmark has been run yet').waitFor();
    const button = page.getByRole('button', { name: 'Run a benchmark' });
    await button.focus();
    await page.keyboard.press('Enter');
    const question = page.getByRole('dialog', { name: 'Use the GPUs for a benchmark?' });
    await question.getByText(/about .* of GPU time for 1 model at 1 server/).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'detached' });
    expect(chats()).toBe(0);
    await page.getByLabel('Model').selectOption('m:latest');
    await button.click();
    await question.getByRole('button', { name: 'Start' }).focus();
    await page.keyboard.press('Enter');
    await page
      .getByRole('region', { name: /^Benchmark of / })
      .getByText('measured')
      .waitFor();
    expect(chats()).toBe(3);
    expect(await violations(page)).toEqual([]);
    await button.click();
    await question.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('img', { name: /^Writing speed of m:latest at a over time: / }).waitFor();
    expect(await violations(page)).toEqual([]);
    expect(wrong).toEqual([]);
  });

  it('shows how one gets on, and cancels it', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [{ name: 'm' }, { name: 'n' }] }],
      loaded: ['m'],
    });
    const [ollama] = cluster.ollamas;
    ollama?.faults.set({ kind: 'hang' }, { match: isChat });
    await using opened = await openTab(browser, cluster.url, 'benchmarks', { width: 360, dark: true });
    const { page, wrong } = opened;
    await page.getByRole('button', { name: 'Run a benchmark' }).click();
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText(/^Running: 0 of 7 answers$/).waitFor();
    await page
      .getByRole('status')
      .getByText('Benchmark running: 0 of 2 measured')
      .waitFor({ state: 'attached' });
    expect(await page.getByRole('button', { name: 'Run a benchmark' }).isDisabled()).toBe(true);
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    const gone = ollama?.onceAborted(isChat);
    await page.getByRole('button', { name: 'Cancel the benchmark' }).click();
    await within(3000, 'the request at the server to end', gone ?? Promise.reject());
    await until(5000, 'the button to be there again', () =>
      page.getByRole('button', { name: 'Run a benchmark' }).isEnabled(),
    );
    expect(wrong).toEqual([]);
  });

  it('shows hostile names and errors as text', async () => {
    using folder = temporaryDirectory('benchmarks');
    const bad = '<img src=x onerror=globalThis.hit=1>';
    await using ollama = await startSimulatedOllama({ models: [{ name: `${bad}:latest` }] });
    ollama.faults.set({ kind: 'status', status: 400, body: { error: `no ${bad}` } }, { match: isChat });
    const config = clientConfig(folder.path, { servers: [`${ollama.url}=${bad}`] });
    const daemon = await startClient(config, new TestLog());
    try {
      await using opened = await openTab(browser, daemon.url, 'benchmarks');
      const { page } = opened;
      await until(5000, 'the models to be known', () => daemon.status().servers[0]?.models.length === 1);
      await page.getByRole('button', { name: 'Run a benchmark' }).click();
      await page.getByRole('button', { name: 'Start' }).click();
      await page.getByText(`no ${bad}`).first().waitFor();
      await page
        .getByRole('cell', { name: `${bad}:latest` })
        .first()
        .waitFor();
      expect(await page.evaluate('[globalThis.hit, document.images.length]')).toEqual([undefined, 0]);
    } finally {
      await daemon.stop();
    }
  });
});
