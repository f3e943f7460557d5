import { expect, it } from 'vitest';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { startGate } from './_door.ts';
import { ask, chat, send, within } from './_simulate-client.ts';

it('a request that names a plain Ollama is known to run there: others go where it is idle', async () => {
  const gate = startGate();
  const models = [{ name: 'm', tokensPerSecond: 200 }];
  const ollamas = [
    { models, numParallel: 1, clock: gate.clock },
    { models, numParallel: 1 },
  ];
  await using cluster = await startCluster({ ollamas, loaded: ['m', 'm'] });
  const [held, idle] = cluster.ollamas as [(typeof cluster.ollamas)[0], (typeof cluster.ollamas)[0]];
  // Both are known to be as fast before one of them is asked for by its name.
  for (const { url } of [held, idle, held, idle])
    await ask(cluster, '/api/chat', chat('m', 'first'), { headers: { 'x-ollana-server': url } });
  gate.close();
  const named = send(cluster, '/api/chat', chat('m', 'named'), { headers: { 'x-ollana-server': held.url } });
  await until(5000, 'it to run', () => held.stats().active === 1);
  for (let i = 0; i < 6; i += 1) {
    const { status, headers } = await within(ask(cluster, '/api/chat', chat('m', `q${i}`)), 'an answer');
    expect([status, headers['x-ollana-reason']]).toEqual([200, expect.stringContaining('loaded')]);
  }
  expect(idle.seen.filter(({ path }) => path === '/api/chat')).toHaveLength(2 + 6);
  gate.open();
  const { status, headers } = await within(named.answer, 'the named one');
  expect([status, headers['x-ollana-reason']]).toEqual([200, expect.stringMatching(/^named /)]);
});
