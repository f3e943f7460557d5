import { expect, test } from 'vitest';
import { CLI } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, labAvailable } from './_lab.ts';

skipBecause(labAvailable());

/** Where the server is, to the others on its link. */
const AT = 'http://[fe80::1%eth0]:11435';
const CHAT = { body: { model: 'm', messages: [{ role: 'user', content: 'hi' }] } };

test('devices that meet by link-local addresses alone are paired at such a one, and used by it', async () => {
  await using lab = await createLab({ hosts: ['gpu', 'laptop'], ipv6Only: true });
  const [gpu, laptop] = [lab.host('gpu'), lab.host('laptop')];
  await simulatedOn(gpu, { models: [{ name: 'm' }], answer: 'one two three' });
  await using server = await serveOn(gpu, ['--require-pairing']);
  await using client = await clientOn(laptop);
  const status = async () => {
    const answer = await laptop.http(`${LOCAL_FACE}/ollana/api/status`);
    return answer.json() as { pairing: string; servers: { url: string; notPaired?: boolean }[] };
  };
  await until(10_000, 'the server to be shown', async () => {
    const text = JSON.stringify(await status());
    return text.includes(`type \`ollana device pair ${AT}\``);
  });

  const host = gpu.node([CLI, 'device', 'pair', '--data-dir', server.dataDir]);
  const [, one, two] = await host.waitFor(/Code: (\d{3}) (\d{3})/);
  const guest = await laptop.exec(
    process.execPath,
    [CLI, 'device', 'pair', AT, '--data-dir', client.dataDir],
    { input: `${one}${two}\n` },
  );
  expect([guest.code, guest.stderr]).toEqual([0, '']);
  expect((await host.exited).code).toBe(0);

  await untilListed(laptop, ['m']);
  const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
  expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu']);
  expect(JSON.parse(answer.lines.at(-1)!.text)).toMatchObject({ done: true });
  const { pairing, servers } = await status();
  expect([pairing, servers.map(({ url }) => url)]).toEqual(['required', [AT]]);
}, 60_000);
