import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../src/daemon/server.ts';
import { type SimulatedOllama, startSimulatedOllama } from '../../src/simulate/ollama.ts';
import { startBefore, startCluster } from '../_cluster.ts';
import { commonConfig, TestLog } from '../_cluster-config.ts';
import { startUpstream } from '../_cluster-upstream.ts';
import { temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable, startBrowser } from './_browser.ts';
import { chat, openTab, violations } from './_dashboard.ts';

skipBecause(browserUnavailable());

const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const has = ({ models }: SimulatedOllama, name: string) => models.list().some((one) => one.name === name);
const row = (page: Page, server: string, model: string) =>
  page
    .getByRole('region', { name: `Models on ${server}` })
    .first()
    .getByRole('row')
    .filter({ hasText: model });

describe('models on the dashboard', { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    if (browserUnavailable() === undefined) browser = await startBrowser({});
  });
  afterAll(() => browser?.close());

  it('are shown by server, unloaded and deleted there alone, and only by a click', async () => {
    const both = { name: 'llama3.2:latest', size: 4_700_000_000 };
    await using cluster = await startCluster({
      serve: true,
      ollamas: [{ models: [both, { name: 'qwen3:8b', size: 5e9 }] }, { models: [both] }],
      loaded: ['llama3.2:latest', 'llama3.2:latest'],
      client: { traces: true },
    });
    const [first, second] = cluster.ollamas as [SimulatedOllama, SimulatedOllama];
    await chat(cluster.url, 'qwen3:8b');
    await using opened = await openTab(browser, cluster.url, 'models');
    const { page, wrong } = opened;
    await row(page, 'a', 'qwen3:8b').getByText('in this hour').waitFor();
    expect(await row(page, 'a', 'llama3.2').textContent()).toContain('4.7 GB–loaded');
    expect(await violations(page)).toEqual([]);
    const orders = () =>
      cluster.ollamas.flatMap(({ seen }) => seen.filter(({ path }) => /generate|delete|pull/.test(path)));
    expect(orders()).toEqual([]);

    await page.getByRole('button', { name: 'Unload llama3.2:latest on b' }).click();
    await page.getByText('llama3.2:latest has been unloaded on b').waitFor();
    await row(page, 'b', 'llama3.2').getByText('not loaded').waitFor();
    expect(await row(page, 'a', 'llama3.2').textContent()).not.toContain('not loaded');

    const remove = page.getByRole('button', { name: 'Delete llama3.2:latest from b' });
    await remove.click();
    const dialog = page.getByRole('dialog', { name: 'Delete llama3.2:latest?' });
    await dialog.getByText('off the disk of b, where it takes 4.7 GB').waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await remove.click();
    // Enter at once keeps it, too.
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Keep it');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    expect(orders().map(({ path }) => path)).toEqual(['/api/generate']);
    await remove.click();
    await dialog.getByRole('button', { name: 'Delete from b' }).click();
    await page.getByText('llama3.2:latest has been deleted from b').waitFor();
    await row(page, 'b', 'llama3.2').waitFor({ state: 'detached' });
    expect([has(first, both.name), has(second, both.name)]).toEqual([true, false]);
    // It was no use of the model.
    expect(await row(page, 'a', 'llama3.2').textContent()).toContain('4.7 GB–loaded');
    expect(wrong).toEqual([]);
  });

  it('are unloaded from a card of the overview', async () => {
    await using cluster = await startCluster({ loaded: ['simulated:latest'] });
    await using opened = await openTab(browser, cluster.url, 'fleet');
    const card = opened.page.getByRole('article', { name: 'a' });
    await card.getByRole('button', { name: 'Unload simulated:latest on a' }).click();
    await card.getByText('nothing', { exact: true }).waitFor();
  });

  it('are pulled to the server that is chosen, and appear there', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    const [first, second] = cluster.ollamas as [SimulatedOllama, SimulatedOllama];
    await using opened = await openTab(browser, cluster.url, 'models', { width: 360 });
    const { page } = opened;
    const form = page.getByRole('form', { name: 'Pull a model' });
    await form.getByRole('button', { name: 'Pull' }).click();
    await form.getByRole('alert').filter({ hasText: 'Name a model' }).waitFor();
    await form.getByLabel('Model').fill('tiny');
    await form.getByLabel('Server').selectOption({ label: 'b' });
    await form.getByLabel('Model').press('Enter');
    await form.getByText('Pulled tiny to b').waitFor();
    await row(page, 'b', 'tiny').waitFor();
    expect([has(first, 'tiny:latest'), has(second, 'tiny:latest')]).toEqual([false, true]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(await violations(page)).toEqual([]);
  });

  it('show how far a pull is, on whatever tab they are looked at from, and end it at its server', async () => {
    let open = false;
    await using upstream = await startUpstream((request, response) => {
      if (request.url !== '/api/pull') return void response.writeHead(404).end();
      open = true;
      response.once('close', () => {
        open = false;
      });
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      response.write('{"status":"pulling manifest"}\n');
      response.write(
        '{"status":"pulling abc","digest":"sha256:abc","total":2000000000,"completed":500000000}\n',
      );
    });
    await using cluster = await startBefore([`${upstream.url}=attic`]);
    await using opened = await openTab(browser, cluster.url, 'models');
    const { page } = opened;
    for (const model of ['one', 'two', 'three', 'four']) {
      await page.getByLabel('Model', { exact: true }).fill(model);
      await page.getByRole('button', { name: 'Pull', exact: true }).click();
    }
    await page.getByText('3 models are being pulled').waitFor();
    await page.getByRole('button', { name: 'Cancel three to attic' }).waitFor();
    const bar = page.getByRole('progressbar', { name: 'Pulling one to attic' });
    await expect.poll(() => bar.getAttribute('value')).toBe('0.25');
    await page.getByText('25 % of 2.0 GB, pulling abc').first().waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('link', { name: 'Health' }).click();
    await page.getByRole('link', { name: 'Model Insights' }).click();
    for (const model of ['one', 'two', 'three'])
      await page.getByRole('button', { name: `Cancel ${model} to attic` }).click();
    await page.getByText('Not pulled: one to attic: cancelled').waitFor();
    await until(5000, 'the end at the server', () => !open);
  });

  it.skipIf(!OUTSIDE)('of a server that refuses stay, with why and what to type there', async () => {
    using folder = temporaryDirectory('models');
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one', size: 2e9 }] });
    const config = commonConfig(join(folder.path, 'server'), { ollama: ollama.url, host: '0.0.0.0' });
    const server = await startServer({ ...config, mode: 'server', allow: new Set() }, new TestLog());
    try {
      await using cluster = await startBefore([`http://${OUTSIDE}:${new URL(server.url).port}=attic`]);
      await using opened = await openTab(browser, cluster.url, 'models');
      const { page } = opened;
      await page.getByRole('button', { name: 'Delete one:latest from attic' }).click();
      await page.getByRole('button', { name: 'Delete from attic' }).click();
      const refusal = page.getByRole('alert').filter({ hasText: 'Not deleted: one:latest on attic' });
      await refusal.getByText('changes what this machine stores').waitFor();
      await refusal.getByText('ollana serve --allow manage', { exact: true }).waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByLabel('Model', { exact: true }).fill('two');
      await page.getByRole('button', { name: 'Pull', exact: true }).click();
      await page.getByText(/^Not pulled: two to attic/).waitFor();
      expect(ollama.models.list().map(({ name }) => name)).toEqual(['one:latest']);
    } finally {
      await server.stop();
    }
  });

  it('are text, whatever they are called, and ask for a key where one is required', async () => {
    const bad = '"><img src=x onerror=globalThis.hit=1>`rm -rf`\u202e';
    const rows = [{ name: bad, model: bad, digest: '0'.repeat(64), size: 1e9 }];
    await using upstream = await startUpstream(
      (_, response) => void response.writeHead(500).end(JSON.stringify({ error: `no ${bad}` })),
      { rows, loaded: true },
    );
    await using cluster = await startBefore([`${upstream.url}=${bad.replace('\u202e', '')}`]);
    await using opened = await openTab(browser, cluster.url, 'models');
    const { page } = opened;
    await page.getByRole('button', { name: /^Unload / }).click();
    await page.getByText(/Not unloaded: "><img/).waitFor();
    await page.getByRole('button', { name: /^Delete / }).click();
    await page
      .getByRole('dialog')
      .getByText(/off the disk of "><img/)
      .waitFor();
    expect(await page.evaluate('[globalThis.hit, document.images.length]')).toEqual([undefined, 0]);

    await using locked = await startCluster({ client: { requireKey: true } });
    await using other = await openTab(browser, locked.url, 'models');
    await other.page.getByRole('button', { name: 'Delete simulated:latest from a' }).click();
    await other.page.getByRole('button', { name: 'Delete from a' }).click();
    await other.page.getByText('asks for an API key').waitFor();
    await other.page.getByLabel('API key of this ollana').waitFor();
    expect(has(locked.ollamas[0]!, 'simulated:latest')).toBe(true);
  });
});
