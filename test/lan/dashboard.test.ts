import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Daemon } from '../_daemon.ts';
import { until, within } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable } from '../e2e/_browser.ts';
import { openTab, TAB_NAMES, TABS, violations } from '../e2e/_dashboard.ts';
import { firstSeen } from './_browser.ts';
import { type Scene, startScene } from './_dashboard.ts';
import { LOCAL_FACE, serversSeenBy } from './_fleet.ts';
import { labAvailable } from './_lab.ts';

const BAD = '<img src=x onerror=globalThis.hit=1>';
/** What a terminal would take for its title and a colour. */
const ESCAPES = '\u001b]0;x\u0007\u001b[31m';
/** Those who look at a page call it live then, ms. */
const LIVE_MS = 1000;
const GONE_MS = 10_000;

const unavailable = labAvailable() ?? browserUnavailable();
skipBecause(unavailable);

describe('the dashboard in Chromium on a laptop of the LAN', { timeout: 30_000 }, () => {
  let scene: Scene;
  let daemon: Daemon;
  let gpu2: Daemon;
  beforeAll(async () => {
    if (unavailable !== undefined) return;
    scene = await startScene(['gpu1', 'gpu2', 'late']);
    [, gpu2] = await Promise.all([scene.serve('gpu1'), scene.serve('gpu2')]);
    daemon = await scene.startLaptop('before');
    await until(10_000, 'both servers to be reliable', async () => {
      const seen = await serversSeenBy(scene.lab.host('laptop'));
      return seen.filter(({ verdict, models }) => verdict === 'reliable' && models.length > 0).length === 2;
    });
  }, 60_000);
  afterAll(() => scene?.[Symbol.asyncDispose]());

  test('opens each of its nine tabs', async () => {
    await scene.onPage('fleet', async (page) => {
      for (const name of ['gpu1', 'gpu2']) await card(page, name, 'reliable');
      expect(await violations(page)).toEqual([]);
      expect(TAB_NAMES).toHaveLength(9);
      for (const tab of TAB_NAMES) {
        await page.locator(`nav a[href="#/${tab}"]`).click();
        await page.getByRole('heading', { level: 1, name: TABS[tab], exact: true }).waitFor();
        await page.getByText('Loading…').first().waitFor({ state: 'detached' });
      }
    });
  });

  test('shows a request within a second of its beginning and of its end, and who answered', async () => {
    await scene.onPage('fleet', async (page) => {
      const running = firstSeen(page, 'article', 'Running1');
      const ended = firstSeen(page, 'tr', 'an-app');
      const answer = await scene.lab.host('laptop').http(`${LOCAL_FACE}/api/chat`, {
        headers: { 'X-Ollana-App': 'an-app' },
        body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] },
      });
      const server = String(answer.headers['x-ollana-server']);
      const [begun, row] = await within(5000, 'it to be shown', Promise.all([running, ended]));
      const beganMs = begun.at - answer.startedAt;
      const endedMs = row.at - answer.startedAt - answer.totalMs;
      told('a request', `${beganMs.toFixed(0)} ms after it was sent, ${endedMs.toFixed(0)} ms after its end`);
      expect([begun.label, beganMs < LIVE_MS, endedMs < LIVE_MS]).toEqual([server, true, true]);
      // It runs for seconds: it has been seen while it did.
      expect(row.at - begun.at).toBeGreaterThan(LIVE_MS);
      for (const word of [server, 'completed']) expect(row.text).toContain(word);
    });
  });

  test('shows a server within a second of its being found, and when its power or cable is gone', async () => {
    await scene.onPage('fleet', async (page) => {
      await card(page, 'gpu1', 'reliable');
      const joined = card(page, 'late', 'reliable');
      const late = await scene.serve('late');
      const { at: shownAt } = await within(10_000, 'the server to be shown', joined);
      const [line] = await daemon.process.waitFor(/^\{.*"late".*"server found".*$/m);
      const foundMs = shownAt - Date.parse((JSON.parse(line) as { time: string }).time);
      told('a server', `${foundMs} ms after it was found`);
      expect(foundMs).toBeLessThan(LIVE_MS);

      for (const [name, cut] of [
        ['gpu2', () => scene.lab.host('gpu2').linkDown()],
        ['late', () => late.stop('SIGKILL')],
      ] as const) {
        const gone = card(page, name, 'unreliable');
        const since = Date.now();
        await cut();
        const { at } = await within(GONE_MS, `${name} to be shown as gone`, gone);
        told(`that ${name} is gone`, `${at - since} ms after that`);
      }
      const back = card(page, 'gpu2', 'gpu2reliable');
      await scene.lab.host('gpu2').linkUp();
      await within(GONE_MS, 'the server to be shown again', back);
    });
  });

  test('shows hostile names of a machine as text', async () => {
    await scene.lie(BAD + ESCAPES);
    const isHarmless = async (page: Page) => {
      expect(await page.evaluate('[globalThis.hit, document.images.length]')).toEqual([undefined, 0]);
      // What is copied from here goes into a terminal.
      const commands = await page.locator('pre').allTextContents();
      expect(commands.join('\n')).not.toMatch(/[^\P{Cc}\n]/u);
    };
    await scene.onPage('fleet', async (page) => {
      const shown = await within(10_000, 'the liar to be shown', firstSeen(page, 'article', BAD));
      expect(shown.label).toBe(`${BAD}]0;x[31m`);
      await isHarmless(page);
      expect(await violations(page)).toEqual([]);
    });
    for (const tab of ['models', 'health'] as const)
      await scene.onPage(tab, async (page) => {
        await within(10_000, 'the liar to be shown', firstSeen(page, 'main', BAD));
        await isHarmless(page);
      });
  });

  test('finds its daemon again when that is restarted, and shows the fleet as it is now', async () => {
    await using opened = await openTab(scene.browser, LOCAL_FACE, 'fleet');
    const { page } = opened;
    for (const name of ['gpu1', 'gpu2']) await card(page, name, 'reliable');
    await daemon.stop('SIGKILL');
    await page.getByText('connection lost').waitFor();
    await gpu2.stop('SIGKILL');
    daemon = await scene.startLaptop('after');
    const since = Date.now();
    await firstSeen(page, 'header', 'after · ');
    await page.locator('.link.live').waitFor();
    const { at } = await card(page, 'gpu1', 'reliable');
    told('the fleet', `${at - since} ms after the daemon was there again`);
    // The new one has never met it.
    await page.locator('article[aria-label=gpu2]').waitFor({ state: 'detached' });
  });
});

/** A server's card with these words, as soon as there is one. */
function card(page: Page, name: string, ...words: readonly string[]) {
  return firstSeen(page, `article[aria-label=${name}]`, ...words);
}

function told(what: string, when: string): void {
  console.log(`dashboard: ${what} is shown ${when}`);
}
