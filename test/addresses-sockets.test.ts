import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { loadOf } from './_chaos-fleet.ts';
import { startLink } from './_chaos-link.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask, chat, send, within } from './_simulate-client.ts';
import { startSlowLink } from './_slow-link.ts';

/** Whole answers take about a second, so that a link can go meanwhile. */
const MODEL = { name: 'm', tokensPerSecond: 40 };
const WHOLE = chat('m', 'q', { stream: false, options: { num_predict: 40 } });
const SHORT = chat('m', 'q', { stream: false, options: { num_predict: 4 } });

const close = (link: AsyncDisposable) => link[Symbol.asyncDispose]();

/** Minutes are tenths of seconds: what is measured now and then is measured often. */
const hasty = {
  ...systemClock,
  after: (ms: number, fn: () => void) => systemClock.after(ms >= 60_000 ? 100 : ms, fn),
};

interface Row {
  readonly name: string;
  readonly url: string;
  readonly verdict: string;
}

async function rowsOf(url: string): Promise<readonly Row[]> {
  const { servers } = (await (await fetch(`${url}/ollana/api/status`)).json()) as { servers: Row[] };
  return servers;
}

const serve = (count: number) =>
  startCluster({
    serve: true,
    ollamas: Array.from({ length: count }, () => ({ models: [MODEL] })),
    loaded: Array.from({ length: count }, () => 'm'),
    server: { parallel: 4 },
  });

const portOf = (url = '') => Number(new URL(url).port);

/** Notes all that the status page shows of the first server, until it is disposed. */
function follow(url: string): AsyncDisposable & { readonly verdicts: Set<string>; readonly urls: string[] } {
  const verdicts = new Set<string>();
  const urls: string[] = [];
  let over = false;
  const run = (async () => {
    while (!over) {
      const [row] = await rowsOf(url);
      verdicts.add(row?.verdict ?? 'missing');
      if (row && urls.at(-1) !== row.url) urls.push(row.url);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const end = async () => {
    over = true;
    await run;
  };
  return { verdicts, urls, [Symbol.asyncDispose]: end };
}

it.each(['refuses', 'is silent'])(
  'nothing is lost when the address in use %s',
  async (how) => {
    await using cluster = await serve(1);
    // Two in a row: one counts, one can be made to drop everything.
    await using oneDrops = await startLink(portOf(cluster.servers[0]?.url));
    await using otherDrops = await startLink(portOf(cluster.servers[0]?.url));
    await using one = await startSlowLink(oneDrops.port);
    await using other = await startSlowLink(otherDrops.port);
    await using before = await startCluster({ ollamas: [], servers: [one.url, other.url] });
    await until(5000, 'both to be known', () => one.taken >= 7 && other.taken >= 7);
    await until(5000, 'the models to be known', () => before.client.status().servers[0]?.models.length);
    const [first] = await rowsOf(before.url);
    const isOne = first?.url === one.url;
    await using seen = follow(before.url);
    const underWay = send(before, '/api/chat', WHOLE);
    await until(5000, 'it to run', () => before.client.status().inFlight === 1);
    if (how === 'refuses') await (isOne ? one : other)[Symbol.asyncDispose]();
    else (isOne ? oneDrops : otherDrops).dropping = true;
    const later = send(before, '/api/chat', SHORT);
    for (const { answer } of [underWay, later]) {
      const { status, complete } = await within(answer, 'an answer', 25_000);
      expect([status, complete]).toEqual([200, true]);
    }
    expect((await ask(before, '/api/chat', SHORT)).status).toBe(200);
    expect(seen.urls.at(-1)).toBe(isOne ? other.url : one.url);
    expect([...seen.verdicts]).toEqual(['reliable']);
  },
  60_000,
);

it('a server that nobody uses is not doubted either when its address goes', async () => {
  await using cluster = await serve(1);
  await using one = await startSlowLink(portOf(cluster.servers[0]?.url));
  await using other = await startSlowLink(portOf(cluster.servers[0]?.url));
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url] });
  await until(5000, 'both to be known', () => one.taken >= 7 && other.taken >= 7);
  const [first] = await rowsOf(before.url);
  const [used, spare] = first?.url === one.url ? [one, other] : [other, one];
  await using seen = follow(before.url);
  await used[Symbol.asyncDispose]();
  await until(5000, 'the other address', () => seen.urls.at(-1) === spare.url);
  await until(5000, 'its load to be told', () => before.client.status().servers[0]?.models.length);
  expect([...seen.verdicts]).toEqual(['reliable']);
}, 30_000);

it('of many addresses eight are looked at', async () => {
  await using cluster = await serve(1);
  const port = portOf(cluster.servers[0]?.url);
  const links = await Promise.all(Array.from({ length: 10 }, () => startSlowLink(port)));
  await using _ = { [Symbol.asyncDispose]: async () => void (await Promise.all(links.map(close))) };
  await using before = await startCluster({
    ollamas: [],
    servers: links.map(({ url }) => url),
    clock: hasty,
  });
  await until(5000, 'one server', async () => (await rowsOf(before.url)).length === 1);
  const taken = links.map((link) => link.taken);
  const busy = () => links.filter((link, i) => link.taken > (taken[i] ?? 0) + 12);
  await until(10_000, 'eight to be measured', () => busy().length >= 8);
  await until(10_000, 'more', () => busy().every((link) => link.taken > 80));
  expect(busy()).toHaveLength(8);
}, 30_000);

it('is given up when no address answers', async () => {
  await using cluster = await serve(1);
  await using one = await startSlowLink(portOf(cluster.servers[0]?.url));
  await using other = await startSlowLink(portOf(cluster.servers[0]?.url));
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url] });
  await until(5000, 'both to be known', () => one.taken >= 7 && other.taken >= 7);
  await cluster.servers[0]?.stop();
  await until(3000, 'it to be given up', async () => (await rowsOf(before.url))[0]?.verdict === 'unreliable');
}, 30_000);

it('the faster of two addresses is used, and the other one when that has become faster', async () => {
  await using cluster = await serve(1);
  const port = portOf(cluster.servers[0]?.url);
  await using slow = await startSlowLink(port, 15);
  await using fast = await startSlowLink(port);
  await using before = await startCluster({ ollamas: [], servers: [slow.url, fast.url], clock: hasty });
  await until(5000, 'the faster one', async () => {
    const rows = await rowsOf(before.url);
    return rows.length === 1 && rows[0]?.url === fast.url;
  });
  slow.delayMs = 0;
  fast.delayMs = 15;
  await until(10_000, 'the change', async () => (await rowsOf(before.url))[0]?.url === slow.url);
  expect((await ask(before, '/api/chat', SHORT)).status).toBe(200);
}, 30_000);

it('a faster address is not taken to while a request waits, which keeps its place, and is after that', async () => {
  await using cluster = await startCluster({
    serve: true,
    ollamas: [{ models: [MODEL], answer: 'word '.repeat(200) }],
    loaded: ['m'],
    server: { parallel: 1 },
  });
  const port = portOf(cluster.servers[0]?.url);
  await using one = await startSlowLink(port);
  await using other = await startSlowLink(port, 15);
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url], clock: hasty });
  await until(5000, 'the faster one', async () => (await rowsOf(before.url))[0]?.url === one.url);
  // Probes are over in no time: what stays is the stream by which the server tells of its queue.
  const since = new Map<unknown, number>();
  await until(5000, 'the stream', () =>
    [...one.sockets].some((socket) => {
      since.set(socket, since.get(socket) ?? performance.now());
      return socket.bytesWritten > 500 && performance.now() - (since.get(socket) ?? 0) > 250;
    }),
  );
  // One runs, and the laptop's request waits before that of another one.
  const long = chat('m', 'q', { stream: false, options: { num_predict: 160 } });
  const running = ask(cluster.servers[0]!, '/api/chat', long);
  const { url } = cluster.servers[0]!;
  await until(2000, 'the first to run', async () => (await loadOf(url))?.active === 1);
  const ours = ask(before, '/api/chat', SHORT);
  await until(2000, 'a place in the queue', async () => (await loadOf(url))?.queued === 1);
  one.delayMs = 15;
  other.delayMs = 0;
  await using seen = follow(before.url);
  const measured = one.taken;
  await until(5000, 'three measurements', () => one.taken >= measured + 20);
  const theirs = ask(cluster.servers[0]!, '/api/chat', SHORT);
  await until(2000, 'another one behind it', async () => (await loadOf(url))?.queued === 2);
  expect([...new Set(seen.urls)]).toEqual([one.url]);
  const order: string[] = [];
  await Promise.all([
    running.then(() => order.push('running')),
    ours.then(({ status }) => order.push(`ours ${status}`)),
    theirs.then(() => order.push('theirs')),
  ]);
  expect(order).toEqual(['running', 'ours 200', 'theirs']);
  await until(5000, 'the faster one', () => seen.urls.at(-1) === other.url);
}, 30_000);

it('equal addresses do not take turns', async () => {
  await using cluster = await serve(1);
  const port = portOf(cluster.servers[0]?.url);
  // Slow enough that what the machine does beside is less than a fifth of it.
  await using one = await startSlowLink(port, 10);
  await using other = await startSlowLink(port, 10);
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url], clock: hasty });
  await until(5000, 'both to be known', () => one.taken >= 7 && other.taken >= 7);
  await using seen = follow(before.url);
  const measured = other.taken;
  await until(15_000, 'ten measurements', () => other.taken >= measured + 60);
  expect([seen.urls.length, ...seen.verdicts]).toEqual([1, 'reliable']);
}, 30_000);

it('an address where another server answers becomes that one', async () => {
  await using cluster = await serve(2);
  const [a, b] = cluster.servers.map(({ url }) => portOf(url));
  await using one = await startSlowLink(a ?? 0);
  await using other = await startSlowLink(a ?? 0);
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url], clock: hasty });
  await until(5000, 'both to be known', () => one.taken >= 7 && other.taken >= 7);
  expect(await rowsOf(before.url)).toHaveLength(1);
  other.target = b ?? 0;
  const rows = await until(5000, 'two servers', async () => {
    const now = await rowsOf(before.url);
    return now.length === 2 && now.every(({ name }) => name === 'a' || name === 'b') && now;
  });
  expect(new Map(rows.map(({ name, url }) => [name, url]))).toEqual(
    new Map([
      ['a', one.url],
      ['b', other.url],
    ]),
  );
}, 30_000);
