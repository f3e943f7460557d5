import { expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, labAvailable } from './_lab.ts';

skipBecause(labAvailable());

const modelsIn = (answer: { json(): unknown }) =>
  (answer.json() as { models: { name: string }[] }).models.map(({ name }) => name).sort();

test('two GPU machines find each other, for their own apps and for nobody else', async () => {
  await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
  for (const name of ['gpu1', 'gpu2'])
    await simulatedOn(lab.host(name), { models: [{ name: `of-${name}` }] });
  await using first = await serveOn(lab.host('gpu1'));
  await using second = await serveOn(lab.host('gpu2'));
  for (const name of ['gpu1', 'gpu2']) {
    await untilListed(lab.host(name), ['of-gpu1', 'of-gpu2']);
    const seen = await serversSeenBy(lab.host(name));
    expect(seen.map((server) => [server.name, server.verdict])).toEqual([
      ['gpu1', 'reliable'],
      ['gpu2', 'reliable'],
    ]);
  }
  const tags = await lab.host('laptop').http('http://10.77.0.1:11435/api/tags');
  expect(modelsIn(tags)).toEqual(['of-gpu1:latest']);
  const run = await lab.host('gpu1').http('http://127.0.0.1:11435/api/chat', {
    body: { model: 'of-gpu2', messages: [{ role: 'user', content: 'hi' }], stream: false },
  });
  expect(run.status).toBe(200);
  expect(run.headers['x-ollana-server']).toBe('gpu2');

  // Nobody takes its own announcements for another server's.
  for (const { process } of [first, second])
    expect(process.output).not.toContain('does not answer as a server');
  await second.stop();
  await until(10_000, 'the one that is left to know', async () => {
    const [, other] = await serversSeenBy(lab.host('gpu1'));
    return other?.verdict !== 'reliable';
  });
}, 60_000);
