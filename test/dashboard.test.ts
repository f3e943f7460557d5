import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { Live } from '../src/dashboard/live.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';

interface Told {
  readonly id: string;
  readonly event: string;
  readonly data: { set: Record<string, unknown>; gone: string[] };
}

/** Reads the stream of a dashboard until disposed. */
function watch(url: string, lastId?: string) {
  const told: Told[] = [];
  const over = new AbortController();
  const state = { told, status: 0, [Symbol.dispose]: () => over.abort() };
  const headers = lastId === undefined ? {} : { 'Last-Event-ID': lastId };
  const read = async () => {
    const answer = await fetch(`${url}/dashboard/events`, { headers, signal: over.signal });
    state.status = answer.status;
    let text = '';
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) {
        const fields = Object.fromEntries(frame.split('\n').map((line) => line.split(/: (.*)/s)));
        if (fields.id) told.push({ ...fields, data: JSON.parse(fields.data) } as Told);
      }
    }
  };
  read().catch(() => {});
  return state;
}

const chat = (url: string) =>
  fetch(`${url}/api/generate`, {
    method: 'POST',
    body: '{"model":"simulated","prompt":"x","stream":false}',
  }).then((answer) => answer.text());

describe('the page of the dashboard', () => {
  it('comes whole from this origin, guarded, and under 150 KB', async () => {
    await using cluster = await startCluster();
    const page = await fetch(`${cluster.url}/dashboard`);
    const html = await page.text();
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!);
    expect(files.length).toBe(3);
    let size = gzipSync(html).length;
    for (const path of files) {
      const answer = await fetch(cluster.url + path);
      expect([path, answer.status]).toEqual([path, 200]);
      size += gzipSync(Buffer.from(await answer.arrayBuffer())).length;
    }
    expect(size).toBeLessThan(150_000);
  });

  it('is sent again only when it has changed', async () => {
    await using cluster = await startCluster();
    const first = await fetch(`${cluster.url}/dashboard/app.js`);
    await first.arrayBuffer();
    const again = await fetch(`${cluster.url}/dashboard/app.js`, {
      headers: { 'If-None-Match': first.headers.get('etag')! },
    });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('is at / for browsers only, and takes GET only', async () => {
    await using cluster = await startCluster();
    const ask = async (accept: string, path = '/', method = 'GET') => {
      const answer = await fetch(cluster.url + path, { method, headers: { Accept: accept } });
      return [answer.status, (await answer.text()).slice(0, 17)];
    };
    expect(await ask('text/html,application/xhtml+xml,*/*;q=0.8')).toEqual([200, '<!doctype html>\n<']);
    expect(await ask('*/*')).toEqual([200, 'Ollama is running']);
    expect(await ask('application/json')).toEqual([200, 'Ollama is running']);
    expect((await ask('*/*', '/dashboard', 'POST'))[0]).toBe(405);
    expect((await ask('*/*', '/dashboard/events', 'DELETE'))[0]).toBe(405);
    expect((await ask('*/*', '/dashboard/api/settings', 'POST'))[0]).toBe(405);
  });

  it('is not shown to pages of others', async () => {
    await using cluster = await startCluster();
    for (const path of ['/dashboard', '/dashboard/events', '/dashboard/api/settings']) {
      const answer = await fetch(cluster.url + path, { headers: { Origin: 'http://evil.example' } });
      expect([path, answer.status, await answer.text()]).toEqual([path, 403, '']);
    }
  });
});

describe('the stream of the dashboard', () => {
  it('tells the whole, then what is another than before', async () => {
    await using cluster = await startCluster();
    using page = watch(cluster.url);
    await until(2000, 'the whole', () => page.told.length > 0);
    const [first] = page.told;
    expect(first!.event).toBe('snapshot');
    const server = `server:${cluster.ollamas[0]!.url}`;
    expect(first!.data.set).toMatchObject({ daemon: { mode: 'client' }, [server]: { verdict: 'reliable' } });
    await chat(cluster.url);
    const told = await until(1000, 'the request', () =>
      page.told.find(({ event, data }) => event === 'delta' && (data.set.recent as unknown[])?.length === 1),
    );
    expect(Object.keys(told.data.set)).not.toContain('health');
  });

  it('tells whoever comes back what it missed, and a stranger the whole', async () => {
    await using cluster = await startCluster();
    using stays = watch(cluster.url);
    await until(2000, 'the whole', () => stays.told.length > 0);
    const { id } = stays.told[0]!;
    await chat(cluster.url);
    await until(2000, 'a change', () => stays.told.length > 1);
    using back = watch(cluster.url, id);
    await until(2000, 'what was missed', () => back.told.length > 0);
    expect(back.told[0]).toEqual(stays.told[1]);
    for (const wrong of ['other.1', `${id}0000`, '', 'x'.repeat(5000)]) {
      using other = watch(cluster.url, wrong);
      await until(2000, 'the whole', () => other.told.length > 0);
      expect(other.told[0]!.event).toBe('snapshot');
    }
  });

  it('has an end to its pages', async () => {
    await using cluster = await startCluster();
    const pages = Array.from({ length: 100 }, () => watch(cluster.url));
    await until(5000, 'a hundred pages', () => pages.every(({ told }) => told.length > 0));
    using late = watch(cluster.url);
    await until(2000, 'a refusal', () => late.status === 503);
    for (const page of pages) page[Symbol.dispose]();
    await until(5000, 'room again', async () => {
      using again = watch(cluster.url);
      return (await until(1000, 'an answer', () => again.status > 0 && again.status)) === 200;
    });
  });

  it('costs nothing while no page is open', () => {
    let seen = 0;
    const see = () => {
      seen += 1;
      return { seen };
    };
    using live = new Live({ clock: systemClock, see });
    for (let i = 0; i < 100; i += 1) live.touch();
    expect([seen, live.watchers]).toEqual([0, 0]);
  });
});

describe('the settings that the dashboard shows', () => {
  it('have values, where they are from, and what to type', async () => {
    await using cluster = await startCluster({ client: { holdMs: 5000 } });
    const answer = await fetch(`${cluster.url}/dashboard/api/settings`);
    const { settings } = (await answer.json()) as { settings: { option: string }[] };
    expect(settings.find(({ option }) => option === 'hold')).toMatchObject({
      value: 5000,
      unit: 'ms',
      source: 'set',
      flag: '--hold',
      variable: 'OLLANA_HOLD',
      live: true,
    });
    expect(settings.find(({ option }) => option === 'udp')).toMatchObject({
      flag: '--no-udp',
      source: 'set',
    });
    expect(settings.find(({ option }) => option === 'policy')).toMatchObject({
      source: 'default',
      live: false,
    });
  });
});
