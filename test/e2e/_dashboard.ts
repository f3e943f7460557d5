import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { type Cluster, startCluster } from '../_cluster.ts';

/** Names in the address, and the titles that they have. */
export const TABS = {
  fleet: 'Fleet Overview',
  trends: 'Trends',
  models: 'Model Insights',
  apps: 'Apps',
  benchmarks: 'Benchmarks',
  health: 'Health',
  recommendations: 'Recommendations',
  settings: 'Settings',
  logs: 'Logs',
} as const;
export type Tab = keyof typeof TABS;
export const TAB_NAMES = Object.keys(TABS) as Tab[];

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A fleet with something to show on every tab: requests that ended well and badly, at two servers of three. */
export async function startShown(): Promise<Cluster> {
  const models = (...names: string[]) => names.map((name) => ({ name, size: 4_700_000_000 }));
  const cluster = await startCluster({
    serve: true,
    ollamas: [
      { models: models('llama3.2:latest', 'qwen3:8b'), memoryBytes: 24e9 },
      { models: models('llama3.2:latest', 'nomic-embed-text:latest'), memoryBytes: 12e9 },
      { models: models('gemma3:12b') },
    ],
    loaded: ['llama3.2:latest', 'llama3.2:latest'],
    client: { traces: true },
  });
  for (const [app, model] of [
    ['notes', 'llama3.2'],
    ['notes', 'llama3.2'],
    ['editor', 'qwen3:8b'],
    ['editor', 'gemma3:12b'],
    ['editor', 'absent'],
  ] as const)
    await chat(cluster.url, model, app);
  return cluster;
}

/** One short chat, whatever comes of it. */
export async function chat(url: string, model: string, app = 'test'): Promise<void> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello there' }], stream: false });
  const headers = { 'Content-Type': 'application/json', 'X-Ollana-App': app };
  await (await fetch(`${url}/api/chat`, { method: 'POST', headers, body })).text();
}

export interface OpenOptions {
  readonly dark?: boolean;
  readonly width?: number;
}

/** A new page at a tab, when it is live. Keeps what it asked for, and what went wrong in it. */
export async function openTab(browser: Browser, url: string, tab: Tab, options: OpenOptions = {}) {
  const context = await browser.newContext({
    colorScheme: options.dark ? 'dark' : 'light',
    viewport: { width: options.width ?? 1280, height: 900 },
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  const asked: string[] = [];
  const wrong: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') wrong.push(message.text());
  });
  await page.goto(`${url}/dashboard#/${tab}`);
  await page.getByRole('heading', { level: 1, name: TABS[tab], exact: true }).waitFor();
  await page.locator('.link.live').waitFor();
  return { page, asked, wrong, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds wrong with a page as it is, in words. */
export async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(
    "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary)].join('\\n')))",
  );
  return found as string[];
}
