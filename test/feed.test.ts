import { createServer, request, type ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { type FeedEnd, follow, WATCH_PATH } from '../src/fleet/feed-reader.ts';
import { Feed } from '../src/server/feed.ts';
import { startBefore, startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';

const clock = systemClock;

/** Follows `url` and keeps what it is told. */
function following(url: string, time = clock) {
  const events: [string, unknown][] = [];
  const ends: FeedEnd[] = [];
  const stream = follow({
    url,
    clock: time,
    connectTimeoutMs: 1000,
    onEvent: (name, value) => void events.push([name, value]),
    onEnd: (end) => void ends.push(end),
  });
  return { events, ends, [Symbol.dispose]: () => stream[Symbol.dispose]() };
}

/** A feed behind a real socket. */
async function serveFeed(time = clock) {
  const feed = new Feed({ clock: time });
  const listening = await listenOn(createServer((_, response) => feed.add(response)));
  return { feed, ...listening };
}

/** A server that answers the watch with what `write` does. */
const hostile = (write: (response: ServerResponse) => void) =>
  listenOn(
    createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      write(response);
    }),
  );

describe('a feed', () => {
  it('tells the latest at once, then each change once, made into text once for all', async () => {
    await using served = await serveFeed();
    const toJSON = vi.fn(() => ({ models: [] }));
    served.feed.publish('tags', { toJSON });
    const watchers = Array.from({ length: 20 }, () => following(served.url));
    await until(2000, 'all to watch', () => watchers.every(({ events }) => events.length === 1));
    served.feed.publish('tags', { toJSON });
    served.feed.publish('server', { ollama: 'up' });
    await until(2000, 'all to hear', () => watchers.every(({ events }) => events.length === 2));
    expect(toJSON).toHaveBeenCalledTimes(2);
    expect(watchers[0]?.events).toEqual([
      ['tags', { models: [] }],
      ['server', { ollama: 'up' }],
    ]);
    served.feed[Symbol.dispose]();
    await until(2000, 'the goodbye', () => watchers.every(({ ends }) => ends[0] === 'bye'));
  });

  it('tells load at most every 20 ms, the last one always', async () => {
    await using served = await serveFeed();
    using watcher = following(served.url);
    await until(2000, 'the watcher', () => served.feed.watchers === 1);
    const startedAt = clock.now();
    for (let i = 0; i < 500; i += 1) served.feed.publish('load', { models: {}, i });
    await until(2000, 'the last', () => watcher.events.at(-1)?.[1] && watcher.events.length > 1);
    expect(watcher.events.map(([, value]) => (value as { i: number }).i)).toEqual([0, 499]);
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(15);
  });

  it('cuts a watcher that does not read, and refuses the 257th', async () => {
    await using served = await serveFeed();
    const slow = request(served.url, (response) => response.pause()).on('error', () => {});
    slow.end();
    await until(2000, 'the watcher', () => served.feed.watchers === 1);
    await until(10_000, 'the cut', () => {
      served.feed.publish('tags', { at: clock.now(), text: 'x'.repeat(500_000) });
      return served.feed.watchers === 0;
    });
    slow.destroy();
    const many = Array.from({ length: 257 }, () => following(served.url));
    await until(5000, 'one to be refused', () => many.some(({ ends }) => ends[0] === 'refused'));
    expect(served.feed.watchers).toBe(256);
    for (const one of many) one[Symbol.dispose]();
  });
});

describe('a reader', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['an endless line', (response) => flood(response, Buffer.alloc(65_536, 'x'))],
    ['rubbish', (response) => void response.write(Buffer.alloc(100_000, 'a\n'))],
    ['no JSON', (response) => void response.write('event: tags\ndata: {"models":[\n\n')],
    ['carriage returns', (response) => void response.write(Buffer.alloc(65_536, '\r'))],
    ['too many events', (response) => flood(response, Buffer.from('data: {}\n\n'.repeat(100)))],
  ])('ends a stream of %s', async (_, write) => {
    await using server = await hostile(write);
    using watcher = following(server.url);
    await until(5000, 'the end', () => watcher.ends.length > 0);
    expect(watcher.ends).toEqual(['broken']);
  });

  it('takes a stream that is still for 2.8 s for dead', async () => {
    await using server = await hostile((response) => response.flushHeaders());
    const startedAt = clock.now();
    using watcher = following(server.url, fasterClock(10));
    await until(2000, 'the end', () => watcher.ends.length > 0);
    expect(watcher.ends).toEqual(['silent']);
    expect(clock.now() - startedAt).toBeGreaterThan(250);
  });
});

describe('a client of a server that tells', () => {
  it('learns of what changes there without asking, and of its end at once', async () => {
    const feed = new Feed({ clock });
    const asked: string[] = [];
    const row = { name: 'm:latest', model: 'm:latest' };
    const answers: Readonly<Record<string, unknown>> = {
      '/ollana/api/hello': { mode: 'server', deviceId: 'a'.repeat(64), name: 'a', watch: true },
      '/api/version': { version: '0.17.4' },
      '/api/tags': { models: [row] },
      '/api/ps': { models: [] },
    };
    await using server = await listenOn(
      createServer((request, response) => {
        asked.push(request.url ?? '');
        if (request.url === WATCH_PATH) feed.add(response);
        else
          response
            .writeHead(200, { 'Content-Type': 'application/json' })
            .end(JSON.stringify(answers[request.url ?? '']));
      }),
    );
    feed.publish('server', { ollama: 'up', version: '0.17.4' });
    feed.publish('tags', { models: [row] });
    await using before = await startBefore([server.url]);
    const view = () => before.client.status().servers[0];
    await until(2000, 'the client to watch', () => feed.watchers === 1);
    await until(2000, 'the lists to be asked for', () => asked.includes('/api/ps'));
    const count = asked.length;
    const other = { name: 'n:latest', model: 'n:latest' };
    feed.publish('tags', { models: [row, other] });
    await until(500, 'the new model to be known', () => view()?.models.length === 2);
    feed.publish('server', { ollama: 'away' });
    await until(500, 'it to be known as away', () => view()?.verdict === 'unreliable');
    feed.publish('server', { ollama: 'up' });
    await until(500, 'it to be known as back', () => view()?.verdict === 'reliable');
    // Longer than a server is left unasked that does not tell.
    const startedAt = clock.now();
    await until(8000, 'six seconds to pass', () => clock.now() - startedAt > 6000, 100);
    expect(asked.length).toBe(count);
    const endedAt = clock.now();
    await server[Symbol.asyncDispose]();
    await until(2000, 'the end to be known', () => view()?.verdict === 'unreliable');
    expect(clock.now() - endedAt).toBeLessThan(500);
    feed[Symbol.dispose]();
  }, 25_000);

  it('hears the goodbye of one that drains', async () => {
    await using cluster = await startCluster({ serve: true });
    using watcher = following(cluster.servers[0]?.url ?? '');
    await until(2000, 'the events', () => new Set(watcher.events.map(([name]) => name)).size === 5);
    expect([...new Set(watcher.events.map(([name]) => name))].sort()).toEqual([
      'load',
      'machine',
      'ps',
      'server',
      'tags',
    ]);
    await cluster.servers[0]?.drain(1000);
    await until(1000, 'the goodbye', () => watcher.ends[0] === 'bye');
  });
});

/** Writes `piece` for as long as the other side takes it. */
function flood(response: ServerResponse, piece: Buffer): void {
  const more = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}
