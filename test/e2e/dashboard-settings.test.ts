import { writeFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../_api.ts';
import { cli } from '../_cli.ts';
import { ALONE, startConfigured } from '../_settings.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable, startBrowser } from './_browser.ts';
import { openTab, violations } from './_dashboard.ts';

skipBecause(browserUnavailable());

describe('settings on the dashboard', { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    if (browserUnavailable() === undefined) browser = await startBrowser({});
  });
  afterAll(() => browser?.close());

  it('are changed by keyboard, said to be saved, and count', async () => {
    await using started = await startConfigured(`# mine\n${ALONE}local-fallback = false\nhold = "7s"\n`);
    await using opened = await openTab(browser, started.url, 'settings');
    const { page, wrong } = opened;
    const hold = page.getByRole('spinbutton', { name: 'hold' });
    expect(await hold.inputValue()).toBe('7');
    await page.getByText('seconds', { exact: true }).waitFor();
    await page.getByText(`${started.file}:6`).first().waitFor();
    await hold.focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('0.5');
    await page.getByRole('textbox', { name: 'origins' }).fill('http://one.app\nhttp://two.app');
    await page.getByRole('button', { name: 'Save origins, hold' }).waitFor();
    await hold.press('Enter');
    await page.getByText('hold: saved; it counts now').waitFor();
    await page.getByText('origins: saved; it counts now').waitFor();
    expect(started.text()).toBe(
      `# mine\n${ALONE}local-fallback = false\nhold = "500ms"\norigins = [ "http://one.app", "http://two.app" ]\n`,
    );
    const asked = await call(started.url, '/api/version', { headers: { Origin: 'http://two.app' } });
    expect(asked.status).not.toBe(403);
    expect(await violations(page)).toEqual([]);

    await page.getByRole('button', { name: 'Take back hold' }).click();
    await page.getByText('hold: taken back; it counts now').waitFor();
    await expect.poll(() => hold.inputValue()).toBe('30');
    expect(started.text()).not.toContain('hold');
    expect(wrong).toEqual([]);
  });

  it('that are wrong are said beside their field, and nothing is saved', async () => {
    const text = `${ALONE}local-fallback = false\n`;
    await using started = await startConfigured(text);
    await using opened = await openTab(browser, started.url, 'settings', { dark: true });
    const { page } = opened;
    const level = page.getByRole('combobox', { name: 'log-level' });
    await level.fill('loud');
    await page.getByRole('spinbutton', { name: 'hold' }).fill('3');
    await page.getByRole('button', { name: /^Save/ }).click();
    await page.getByText('Nothing has been saved').waitFor();
    const id = (await level.getAttribute('aria-describedby'))!.split(' ').at(-1);
    expect(await page.locator(`#${id}`).textContent()).toContain('give debug, info, warn');
    expect(await level.getAttribute('aria-invalid')).toBe('true');
    expect(await level.inputValue()).toBe('loud');
    expect(started.text()).toBe(text);
    expect(await violations(page)).toEqual([]);
    // Broken by somebody else meanwhile.
    writeFileSync(started.file, 'prot = 1\n');
    await level.fill('warn');
    await page.getByRole('button', { name: /^Save/ }).click();
    await page.getByRole('alert').filter({ hasText: 'did you mean port?' }).waitFor();
    expect(started.text()).toBe('prot = 1\n');
  });

  it('say who decides, fit a phone, and ask for a key where one is required', async () => {
    await using started = await startConfigured(`${ALONE}local-fallback = false\n`, ['--hold', '3s']);
    await using opened = await openTab(browser, started.url, 'settings', { width: 360 });
    const { page } = opened;
    await page.getByText('--hold decides: what is saved counts when').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    const lock = page.getByRole('checkbox', { name: 'require-key' });
    await lock.check();
    await page.getByRole('button', { name: 'Save require-key' }).click();
    await page.getByText('require-key: saved; it counts now').waitFor();
    await expect.poll(() => lock.isChecked()).toBe(true);
    await lock.uncheck();
    await page.getByRole('button', { name: 'Save require-key' }).click();
    await page.getByRole('alert').filter({ hasText: 'asks for an API key' }).waitFor();
    const made = await cli(['key', 'add', 'page', '--data-dir', started.daemon.dataDir]);
    await page.getByLabel('API key of this ollana').fill(/\bollana_\S+/.exec(made.stdout)![0]);
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Save require-key' }).click();
    await page.getByText('require-key: saved; it counts now').waitFor();
    expect(started.text()).toContain('require-key = false');
  });

  it('of a server are ticked', async () => {
    await using started = await startConfigured(ALONE, ['serve']);
    await using opened = await openTab(browser, started.url, 'settings');
    const { page } = opened;
    const group = page.getByRole('group', { name: 'allow' });
    await group.getByRole('checkbox', { name: 'manage' }).check();
    await page.getByRole('button', { name: 'Save allow' }).click();
    await page.getByText('allow: saved; it counts now').waitFor();
    expect(started.text()).toContain('allow = [ "manage" ]');
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: '/tmp/w3-settings.png', fullPage: true });
  });
});
