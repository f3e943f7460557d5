import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:http';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type Listening, listenOn } from '../_cluster-upstream.ts';

/** What Debian and others call it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** Where Chromium is, if it is here. */
export function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why no browser can be started here, or `undefined` when one can. */
export function browserUnavailable(): string | undefined {
  return findBrowser() === undefined
    ? 'there is no Chromium here (Debian: apt-get install chromium; bash .ci/run installs it)'
    : undefined;
}

/**
 * Starts Chromium without a window; `names` are the addresses of names, as a DNS server of the page's owner would tell
 * them, and `executablePath` is what starts it. What Chromium itself has against pages that ask for this machine is off:
 * older browsers have nothing.
 */
export async function startBrowser(
  names: Readonly<Record<string, string>>,
  executablePath = findBrowser(),
): Promise<Browser> {
  if (executablePath === undefined) throw new Error(browserUnavailable());
  const rules = Object.entries(names).map(([name, address]) => `MAP ${name} ${address}`);
  return chromium.launch({
    executablePath,
    args: [
      '--no-proxy-server',
      `--host-resolver-rules=${rules.join(',')}`,
      '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
    ],
  });
}

const EMPTY_PAGE = '<!doctype html><title>a page</title><body></body>';

/** A web server of somebody else's, with a page that does nothing by itself. */
export function startSite(): Promise<Listening> {
  return listenOn(
    createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(EMPTY_PAGE);
    }),
  );
}

/**
 * Shows a page of `origin` in which that server has no part: as if the name had led elsewhere when the page was
 * loaded. Everything that the page asks for goes to the address that the name has now.
 */
export async function openRebound(page: Page, origin: string): Promise<void> {
  const url = `${origin}/the-page`;
  await page.route(url, (route) => route.fulfill({ contentType: 'text/html', body: EMPTY_PAGE }));
  await page.goto(url);
  // While requests are looked at, preflights are not sent.
  await page.unroute(url);
}
