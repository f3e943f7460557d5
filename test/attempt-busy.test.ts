import { expect, it } from 'vitest';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { startGate, startTap, watchLoad } from './_door.ts';
import { scrape } from './_metrics.ts';
import { chat, send, within } from './_simulate-client.ts';

interface Live {
  readonly running: readonly { readonly id: string; readonly server: string }[];
}

/** What a dashboard that is opened now is shown. */
async function liveAt(url: string): Promise<Live> {
  const over = new AbortController();
  const answer = await fetch(`${url}/dashboard/events`, { signal: over.signal });
  let text = '';
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (/^data: .*\n\n/m.test(text)) break;
  }
  over.abort();
  return (JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '{}') as { set: Live }).set;
}

it('a request that finds its slot taken is not shown as running while it waits, and has been tried once', async () => {
  const gate = startGate();
  await using cluster = await startCluster({
    serve: true,
    ollamas: [{ models: [{ name: 'm', tokensPerSecond: 200 }], numParallel: 2, clock: gate.clock }],
    loaded: ['m'],
    server: { parallel: 1 },
  });
  const server = cluster.servers[0]!;
  using watched = await watchLoad(server.url);
  let other: ReturnType<typeof send> | undefined;
  // Another machine's request is a moment faster.
  await using tap = await startTap(server.url, ({ headers }) => {
    if (other || headers['x-ollana-if-free'] === undefined) return undefined;
    gate.close();
    other = send(server, '/api/chat', chat('m', 'faster'));
    return until(5000, 'the slot to be taken', () => watched.row()?.active === 1);
  });
  await using laptop = await startCluster({
    ollamas: [],
    servers: [tap.url],
    client: { traces: true },
  });
  await until(5000, 'the laptop to be told', tap.told);
  const request = send(laptop, '/api/chat', chat('m', 'slower'));
  await watched.queued(1);
  expect(tap.asked.filter(({ url }) => url === '/api/chat').length).toBe(1);
  expect((await liveAt(laptop.url)).running).toEqual([]);

  gate.open();
  const answer = await within(request.answer, 'the answer', 5000);
  expect([answer.status, answer.complete]).toEqual([200, true]);
  expect(answer.headers['x-ollana-attempts']).toBe('1');
  expect((await liveAt(laptop.url)).running).toEqual([]);
  const counted = await until(5000, 'it to be counted', async () => {
    const samples = await scrape(laptop.url);
    return samples.sum('ollana_requests_total', { route: '/api/chat' }) === 1 && samples;
  });
  expect(counted.value('ollana_retries_total', {})).toBe(0);
  expect(counted.sum('ollana_attempts_total', {})).toBe(1);
  const traces = await fetch(`${laptop.url}/dashboard/api/traces`);
  const { traces: rows } = (await traces.json()) as { traces: object[] };
  expect(rows).toMatchObject([{ status: 'completed', retry_count: 0 }]);
  await other?.answer;
});
