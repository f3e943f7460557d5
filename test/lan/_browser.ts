import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { temporaryDirectory } from '../_daemon.ts';
import { findBrowser, startBrowser } from '../e2e/_browser.ts';
import type { LabHost } from './_lab.ts';

export interface HostBrowser extends AsyncDisposable {
  readonly browser: Browser;
}

/** Starts Chromium without a window on a host: what its pages ask for, they ask from there. */
export async function startBrowserOn(host: LabHost): Promise<HostBrowser> {
  const folder = temporaryDirectory('browser');
  const program = join(folder.path, 'chromium');
  const line = host.namespace.line(findBrowser() ?? 'chromium').map((word) => `'${word}'`);
  writeFileSync(program, `#!/bin/sh\nexec ${line.join(' ')} "$@"\n`, { mode: 0o755 });
  try {
    const browser = await startBrowser({}, program);
    const end = async () => {
      await browser.close();
      folder[Symbol.dispose]();
    };
    return { browser, [Symbol.asyncDispose]: end };
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

/** What a page showed, and when it first did. */
export interface Sight {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly label: string | null;
  readonly text: string;
}

/** The first element like `selector` with all of `words` in it, as soon as the page has one. */
export function firstSeen(page: Page, selector: string, ...words: readonly string[]): Promise<Sight> {
  return page.evaluate(`new Promise((resolve) => {
    const words = ${JSON.stringify(words)};
    const look = () => {
      const all = [...document.querySelectorAll(${JSON.stringify(selector)})];
      const found = all.find(({ textContent }) => words.every((word) => textContent.includes(word)));
      if (!found) return;
      observer.disconnect();
      resolve({ at: Date.now(), label: found.getAttribute('aria-label'), text: found.textContent });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  })`);
}
