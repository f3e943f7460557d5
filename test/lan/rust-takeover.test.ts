import { expect, test } from 'vitest';
import { CLI } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { serveOn, simulatedOn, untilListed } from './_fleet.ts';
import { createLab } from './_lab.ts';
import { rustOn, rustUnavailable } from './_rust.ts';

skipBecause(rustUnavailable());

/** Where the client mode of the Rust ollana listens. */
const RUST_FACE = 'http://127.0.0.1:11434';

test('a server of the Rust ollana that becomes one of ours is the same to its clients, and to nobody else', async () => {
  await using lab = await createLab({ hosts: ['gpu', 'laptop', 'stranger'], defaultRoute: true });
  const [gpu, laptop, stranger] = [lab.host('gpu'), lab.host('laptop'), lab.host('stranger')];
  await simulatedOn(gpu, { models: [{ name: 'm' }], answer: 'one two three' });
  await using before = await rustOn(gpu);
  await using friend = await rustOn(laptop);
  await using other = await rustOn(stranger);
  await before.allow(friend.id);
  await friend.allow(before.id);
  await other.allow(before.id);

  await using _ = await serveOn(gpu, ['--data-dir', before.dataDir]);
  await untilListed(gpu, ['m']);
  const running = await friend.serve();
  await until(20_000, 'the Rust client to have a server', async () => {
    const answer = await laptop.http(`${RUST_FACE}/api/version`);
    return answer.status === 200;
  });
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: false };
  const answer = await laptop.http(`${RUST_FACE}/api/chat`, { body });
  expect(answer.json()).toMatchObject({ done: true, message: { content: 'one two three' } });
  expect(running.output).not.toContain('not allowed');

  // Who is not on the list is as little let in as before, over any protocol, and does not end itself for it.
  const shut = await other.serve();
  await shut.waitFor(/authorization failed/, 20_000);
  expect(shut.child.exitCode).toBe(null);
  const direct = await stranger.http(`http://${gpu.ip}:11435/api/chat`, { body });
  expect([direct.status, direct.text]).toEqual([403, expect.stringContaining('device pair')]);
  const named = await stranger.http(`http://${gpu.ip}:11435/api/chat`, {
    body,
    headers: { 'x-ollana-device-id': friend.id },
  });
  // By plain HTTP an id is a word that anybody may have heard.
  expect(named.status).toBe(401);

  // The first device that is paired with closes the door to old generations.
  const paired = await gpu.exec(process.execPath, [
    ...[CLI, 'device', 'allow', 'f'.repeat(64), '--data-dir', before.dataDir],
  ]);
  expect([paired.code, paired.stderr]).toEqual([0, '']);
  await until(2000, 'the Rust client to be refused', async () => {
    const refused = await laptop.http(`${RUST_FACE}/api/chat`, { body });
    return refused.status !== 200;
  });
}, 60_000);
