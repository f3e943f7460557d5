import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulatedOllama } from '../../src/simulate/ollama.ts';
import { startCluster } from '../_cluster.ts';
import type { Listening } from '../_cluster-upstream.ts';
import { until } from '../_deadline.ts';
import { noOutside, OUTSIDE } from '../_paired.ts';
import { skipBecause } from '../_skip.ts';
import { browserUnavailable, openRebound, startBrowser, startSite } from './_browser.ts';

/** Names that belong to somebody else, and lead where that one likes. */
const NAMES = {
  'evil.example': '127.0.0.1',
  'rebound-here.example': '127.0.0.1',
  'rebound-lan.example': OUTSIDE ?? '127.0.0.1',
  /** What the machines of the tests are called. */
  a: OUTSIDE ?? '127.0.0.1',
  laptop: '127.0.0.1',
};
const TRICKS = readFileSync(new URL('_page-tricks.js', import.meta.url), 'utf8');
/** All that a page can try from another origin. */
const ACROSS = [
  'fetch',
  'preflighted',
  'withHeader',
  'noCors',
  'withCookies',
  'form',
  'image',
  'script',
  'frame',
  'sandboxed',
  'eventSource',
  'webSocket',
  'beacon',
];
/** What of it is the same when the name leads to us; these tell what they could read. */
const REBOUND = ['fetch', 'preflighted', 'withHeader', 'form', 'frame', 'eventSource', 'webSocket'];

interface Face extends AsyncDisposable {
  readonly url: string;
  readonly ollama: SimulatedOllama;
  /** What the daemon knows and stores; nothing that a page may change. */
  readonly state: () => unknown;
}

/** A laptop's own face, before a plain Ollama. */
async function localFace(origins: readonly string[] = []): Promise<Face> {
  const cluster = await startCluster({ client: { origins } });
  return faceOf(cluster, cluster.url, cluster.client.status);
}

/** The face that a GPU machine shows the network, with all that its owner can allow to others. */
async function lanFace(origins: readonly string[] = []): Promise<Face> {
  const allow = new Set(['manage'] as const);
  const cluster = await startCluster({ serve: true, server: { host: '0.0.0.0', allow, origins } });
  const [server] = cluster.servers;
  return faceOf(cluster, `http://${OUTSIDE}:${new URL(server!.url).port}`, server!.status);
}

function faceOf(
  cluster: Awaited<ReturnType<typeof startCluster>>,
  url: string,
  status: () => { servers: readonly { url: string }[] },
): Face {
  const ollama = cluster.ollamas[0]!;
  const state = () => [ollama.models.list().map(({ name }) => name), status().servers.map((one) => one.url)];
  return { url, ollama, state, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

const FACES = [
  { face: 'local face of a laptop', start: localFace, rebound: 'rebound-here.example', own: 'laptop' },
  { face: 'LAN face of a GPU machine', start: lanFace, rebound: 'rebound-lan.example', own: 'a' },
];

/** What Ollama was asked beside the lists, which ollana itself reads all the time. */
const asked = ({ ollama }: Face): string[] =>
  ollama.seen.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

skipBecause(browserUnavailable());

describe.each(FACES)('a web page in Chromium, at the $face', ({ face: which, start, rebound, own }) => {
  if (which.startsWith('LAN')) skipBecause(noOutside);
  let browser: Browser;
  let site: Listening;
  let evil: string;
  beforeAll(async () => {
    if (browserUnavailable() !== undefined) return;
    browser = await startBrowser(NAMES);
    site = await startSite();
    evil = `http://evil.example:${site.port}`;
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  /** A page in a browser that has been nowhere, at an address. */
  async function open(at: (page: Page) => Promise<unknown>): Promise<Page> {
    const page = await browser.newPage();
    await at(page);
    await page.addScriptTag({ content: TRICKS });
    return page;
  }
  const openEvil = () => open((page) => page.goto(evil));
  const play = (page: Page, trick: string, ...args: readonly unknown[]): Promise<string> =>
    page.evaluate(`tricks.${trick}(...${JSON.stringify(args)})`);

  it.each(ACROSS)('of another origin reads and runs nothing by %s', async (trick) => {
    await using face = await start();
    const before = face.state();
    const page = await openEvil();
    const over = new Set<string>();
    page.on('requestfinished', (request) => over.add(request.url()));
    page.on('requestfailed', (request) => over.add(request.url()));
    expect(await play(page, trick, face.url)).toBe('');
    // Nobody tells the page that a beacon has arrived.
    if (trick === 'beacon') await until(5000, 'the beacons to arrive', () => over.size === 4);
    expect([asked(face), face.state()]).toEqual([[], before]);
    await page.close();
  });

  it('of a name that leads to this machine now reads and runs nothing', async () => {
    await using face = await start();
    const before = face.state();
    const origin = `http://${rebound}:${new URL(face.url).port}`;
    const page = await open((one) => openRebound(one, origin));
    for (const trick of REBOUND) expect([trick, await play(page, trick, origin)]).toEqual([trick, '']);
    expect([asked(face), face.state()]).toEqual([[], before]);
    await page.close();
  });

  it('of a name that is ours, opened in that same way, reads: it is the name that counts', async () => {
    await using face = await start();
    const origin = `http://${own}:${new URL(face.url).port}`;
    const page = await open((one) => openRebound(one, origin));
    expect(await play(page, 'read', origin, 'list')).toContain('"simulated:latest"');
    await page.close();
  });

  it('of an origin that the user allows lists, runs and deletes', async () => {
    await using face = await start([evil]);
    const page = await openEvil();
    expect(await play(page, 'read', face.url, 'list')).toContain('"simulated:latest"');
    expect(await play(page, 'read', face.url, 'run')).toContain('"done":true');
    expect(await play(page, 'read', face.url, 'remove')).toBe('');
    expect([face.ollama.models.list(), asked(face)]).toEqual([[], ['POST /api/chat', 'DELETE /api/delete']]);
    await page.close();
  });

  it('of the face itself reads it', async () => {
    await using face = await start();
    const page = await open((one) => one.goto(`${face.url}/api/version`));
    expect(await page.evaluate("fetch('/').then((answer) => answer.text())")).toBe('Ollama is running');
    expect(await play(page, 'read', face.url, 'list')).toContain('"simulated:latest"');
    await page.close();
  });

  it('of the face itself is the dashboard, on this machine, and runs nothing that is not its own', async () => {
    await using face = await start();
    const page = await browser.newPage();
    const answer = await page.goto(`${face.url}/dashboard`);
    if (which.startsWith('LAN')) expect(answer?.status()).toBe(404);
    else {
      await page.getByRole('heading', { name: 'Fleet Overview' }).waitFor();
      expect(await page.evaluate("fetch('/').then((answer) => answer.text())")).toBe('Ollama is running');
      const kept = await page.evaluate(`new Promise((resolve) => {
        const broken = new Set();
        addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
          if (broken.add(effectiveDirective).size === 3) resolve([...broken].sort());
        });
        const script = document.createElement('script');
        script.textContent = 'globalThis.ran = true';
        const image = document.createElement('div');
        image.innerHTML = '<img src=x onerror="globalThis.ran = true">';
        document.body.append(script, image);
        fetch('http://localhost:9/').catch(() => {});
      })`);
      expect(kept).toEqual(['connect-src', 'script-src-attr', 'script-src-elem']);
      expect(await page.evaluate('globalThis.ran')).toBeUndefined();
    }
    await page.close();
  });
});
