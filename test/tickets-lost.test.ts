import { connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { startLink } from './_chaos-link.ts';
import { startCluster } from './_cluster.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { openGranted, watchLoad } from './_door.ts';
import { chat, send, within } from './_simulate-client.ts';

const MODEL = { name: 'm', tokensPerSecond: 200 };

const startOneSlot = () =>
  startCluster({ serve: true, ollamas: [{ models: [MODEL] }], loaded: ['m'], server: { parallel: 1 } });

interface Row {
  readonly url: string;
  readonly verdict: string;
}

async function serverSeenBy(url: string): Promise<Row | undefined> {
  const { servers } = (await (await fetch(`${url}/ollana/api/status`)).json()) as { servers: Row[] };
  return servers[0];
}

it('a place in a queue that nobody hears of any more is taken anew at the other address of its server', async () => {
  await using cluster = await startOneSlot();
  const server = cluster.servers[0]?.url ?? '';
  const port = Number(new URL(server).port);
  await using one = await startLink(port);
  await using other = await startLink(port);
  await using before = await startCluster({ ollamas: [], servers: [one.url, other.url] });
  await until(5000, 'the server to be known', () => serverSeenBy(before.url));
  await until(5000, 'its load to be told', () => before.client.status().servers[0]?.models.length);
  using watched = await watchLoad(server);
  const held = await openGranted(server, 'x');
  await until(5000, 'it to be told', () => watched.row()?.active === 1);
  const request = send(before, '/api/chat', chat('m', 'q'));
  await watched.queued(1);
  // Only now: which of the two is faster is measured first.
  const first = await until(1000, 'the address in use', () => serverSeenBy(before.url));
  const used = first.url === one.url ? one : other;
  used.dropping = true;
  await until(45_000, 'the other address to be used', async () => {
    const now = await serverSeenBy(before.url);
    return now?.url !== first.url && now?.verdict === 'reliable';
  });
  held.close();
  const answer = await within(request.answer, 'the answer', 5000);
  expect([answer.status, answer.complete]).toEqual([200, true]);
}, 60_000);

it('a request whose place in the only queue broke off is held and asks again, as the queue was not full', async () => {
  await using cluster = await startOneSlot();
  const server = cluster.servers[0]?.url ?? '';
  const port = Number(new URL(server).port);
  let broken = 0;
  const link = createServer((near) => {
    near.on('error', () => {});
    near.once('data', (first) => {
      if (broken < 2 && first.includes('/ollana/api/tickets')) {
        broken += 1;
        near.resetAndDestroy();
        return;
      }
      const far = connect({ port, host: '127.0.0.1' });
      far.on('error', () => near.destroy());
      far.write(first);
      near.pipe(far).pipe(near);
      near.on('close', () => far.destroy());
    });
  });
  await using front = await listenOn(link);
  await using before = await startCluster({ ollamas: [], servers: [front.url] });
  await until(5000, 'its load to be told', () => before.client.status().servers[0]?.models.length);
  using watched = await watchLoad(server);
  const held = await openGranted(server, 'x');
  await until(5000, 'it to be told', () => watched.row()?.active === 1);
  const request = send(before, '/api/chat', chat('m', 'q'));
  await watched.queued(1);
  held.close();
  const answer = await within(request.answer, 'the answer', 5000);
  expect([answer.status, answer.complete, broken]).toEqual([200, true, 2]);
}, 30_000);
