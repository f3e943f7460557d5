import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import { type Daemon, temporaryDirectory } from '../_daemon.ts';
import { openTab, type Tab } from '../e2e/_dashboard.ts';
import { startBrowserOn } from './_browser.ts';
import { TSX } from './_discovery.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn } from './_fleet.ts';
import { createLab, type Lab } from './_lab.ts';

const LIAR = fileURLToPath(new URL('_liar-main.ts', import.meta.url));
/** Takes 2 s to be written. */
const ANSWER = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');

/** A LAN with a laptop on which a browser runs. */
export interface Scene extends AsyncDisposable {
  readonly lab: Lab;
  readonly browser: Browser;
  /** Starts an Ollama with the model `tiny` on a host, and server mode before it. */
  serve(name: string): Promise<Daemon>;
  /** Starts client mode on the laptop, with the same data each time. */
  startLaptop(name: string): Promise<Daemon>;
  /** Starts a machine that calls itself, and its model, whatever it likes. */
  lie(name: string): Promise<unknown>;
  /** Opens a tab and looks at it; nothing may go wrong in it, and nobody else be asked. */
  onPage(tab: Tab, look: (page: Page) => Promise<unknown>): Promise<void>;
}

/** Starts the hosts `names`, a `liar` and a `laptop`, on the last of which there is a browser. */
export async function startScene(names: readonly string[]): Promise<Scene> {
  const folder = temporaryDirectory('dashboard');
  const lab = await createLab({ hosts: [...names, 'liar', 'laptop'] });
  const owned: AsyncDisposable[] = [lab];
  const own = async <T extends AsyncDisposable>(started: Promise<T>): Promise<T> => {
    const one = await started;
    owned.unshift(one);
    return one;
  };
  const end = async () => {
    for (const one of owned) await one[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    const laptop = lab.host('laptop');
    const { browser } = await own(startBrowserOn(laptop));
    return {
      lab,
      browser,
      serve: async (name) => {
        await simulatedOn(lab.host(name), {
          models: [{ name: 'tiny', tokensPerSecond: 50 }],
          answer: ANSWER,
        });
        return own(serveOn(lab.host(name)));
      },
      startLaptop: (name) =>
        own(clientOn(laptop, ['--name', name, '--data-dir', folder.path, '--log-format', 'json'])),
      lie: (name) =>
        lab
          .host('liar')
          .node(['--import', TSX, LIAR, JSON.stringify(name), '10.77.0.255'])
          .waitFor(/lying/, 20_000),
      onPage: async (tab, look) => {
        await using opened = await openTab(browser, LOCAL_FACE, tab);
        await look(opened.page);
        expect(opened.asked.filter((url) => new URL(url).origin !== LOCAL_FACE)).toEqual([]);
        expect(opened.wrong).toEqual([]);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
