import { expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, labAvailable } from './_lab.ts';

skipBecause(labAvailable());

/** With no other way to be found than by registering. */
const ALONE = ['--no-udp', '--no-mdns'];

interface Seen {
  readonly status: string;
  readonly url: string;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly sources: readonly string[];
}

test('a server that registers is known by both families, and used by either', async () => {
  await using lab = await createLab({ hosts: ['hub', 'gpu'] });
  for (const [name, address] of [
    ['hub', 'fd77::1/64'],
    ['gpu', 'fd77::2/64'],
  ] as const) {
    const added = await lab.host(name).exec('ip', ['addr', 'add', address, 'dev', 'eth0', 'nodad']);
    expect(added).toMatchObject({ code: 0 });
  }
  const hub = lab.host('hub');
  await simulatedOn(lab.host('gpu'), { models: [{ name: 'llama3' }] });
  await using _hub = await clientOn(hub, [
    ...ALONE,
    ...['--accept-registrations', '--host', '0.0.0.0', '--no-local-fallback'],
  ]);
  await using _gpu = await serveOn(lab.host('gpu'), [...ALONE, '--register', 'http://10.77.0.1:11435']);
  await untilListed(hub, ['llama3']);
  const node = async () => (await hub.http(`${LOCAL_FACE}/nodes/gpu`)).json() as Seen;
  await until(5000, 'its other address', async () => (await node()).ipv6 !== null);
  expect(await node()).toMatchObject({
    status: 'online',
    ipv4: '10.77.0.2',
    ipv6: 'fd77::2',
    sources: ['heartbeat'],
  });

  // What only this machine may do is not for those who register.
  const strange = await lab.host('gpu').http('http://10.77.0.1:11435/add_server', {
    headers: { 'Content-Type': 'application/json' },
    body: { url: 'http://10.77.0.2:11434' },
  });
  expect(strange.status).toBe(403);
  const pull = await lab.host('gpu').http('http://10.77.0.1:11435/api/pull', { body: { model: 'x' } });
  expect([pull.status, pull.text]).toEqual([403, expect.stringContaining('call it on that machine')]);

  await lab.host('gpu').exec('ip', ['addr', 'del', '10.77.0.2/24', 'dev', 'eth0']);
  await until(20_000, 'the other address in use', async () => {
    const { url, status } = await node();
    return url === 'http://[fd77::2]:11435' && status === 'online';
  });
  const job = await hub.http(`${LOCAL_FACE}/jobs`, {
    headers: { 'Content-Type': 'application/json' },
    body: { model: 'llama3', prompt: 'hi', stream: false },
  });
  expect(job.status).toBe(200);
}, 90_000);
