import { describe, expect, test } from 'vitest';
import { CLI } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { simulatedOn } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

/** Lines of the log above `info`. */
const troubles = (log: string): string[] =>
  log.split('\n').filter((line) => /"level":"?(warn|error|40|50)/.test(line));

const DIR = '/mnt';

/** Mounts a small disk on the host. */
async function disk(host: LabHost, then: string): Promise<void> {
  const script = `mount -t tmpfs -o size=16k tmpfs ${DIR} && ${then}`;
  const { code, stderr } = await host.exec('sh', ['-c', script]);
  expect([code, stderr]).toEqual([0, '']);
}

/** Whether chats are answered by server mode on this host. */
async function serves(host: LabHost): Promise<boolean> {
  const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], stream: false };
  const answer = await host.http('http://127.0.0.1:11435/api/chat', { body });
  return answer.status === 200;
}

describe('a data directory on a disk', () => {
  skipBecause(labAvailable());

  test.each([
    ['that is read-only', `mount -o remount,ro ${DIR}`],
    ['that is full', `head -c 16384 /dev/zero > ${DIR}/all; test $(stat -f -c %a ${DIR}) = 0`],
  ])('%s gives one clear line, nothing half-written, and keeps serving', async (_what, then) => {
    await using lab = await createLab({ hosts: ['gpu'] });
    const gpu = lab.host('gpu');
    await disk(gpu, then);
    await simulatedOn(gpu, { models: [{ name: 'm' }] });
    const server = gpu.node([CLI, 'serve', '--data-dir', DIR, '--no-mdns']);
    await server.waitFor(/ollana is ready/);
    await until(10_000, 'an answer', () => serves(gpu));
    expect(troubles(server.output)).toEqual([expect.stringContaining('the data directory cannot be used')]);
    const { stdout } = await gpu.exec('ls', ['-A', DIR]);
    expect(stdout.trim()).toMatch(/^(all)?$/);
    await server.stop();
  });

  test('that fills up later keeps the list as it was, says why, and keeps serving', async () => {
    await using lab = await createLab({ hosts: ['gpu'] });
    const gpu = lab.host('gpu');
    await disk(gpu, 'true');
    await simulatedOn(gpu, { models: [{ name: 'm' }] });
    const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
    const device = (...args: string[]) => gpu.node([CLI, 'device', ...args, '--data-dir', DIR]);
    expect((await device('allow', `${one}=first`).exited).code).toBe(0);
    const server = gpu.node([CLI, 'serve', '--data-dir', DIR, '--no-mdns']);
    await server.waitFor(/ollana is ready/);
    await gpu.exec('sh', ['-c', `cat /dev/zero > ${DIR}/all`]);
    const refused = device('allow', `${two}=second`);
    expect((await refused.exited).code).toBe(2);
    expect(refused.stderr).toMatch(/^ollana: cannot change the list .*ENOSPC.*nothing was changed\n$/);
    const listed = device('list', '--json');
    await listed.exited;
    expect((JSON.parse(listed.stdout) as { name: string }[]).map(({ name }) => name)).toEqual(['first']);
    const { stdout } = await gpu.exec('ls', ['-A', DIR]);
    expect(stdout.trim().split('\n')).toEqual(['all', 'devices.json', 'server.json', 'tls.pem']);
    expect(await serves(gpu)).toBe(true);
    await server.stop();
  });
});
