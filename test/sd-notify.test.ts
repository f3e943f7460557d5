import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { beatMs } from '../src/daemon/sd-notify.ts';
import { scratch } from './_cli.ts';
import { startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';
import { skipBecause } from './_skip.ts';

/** The end of systemd: Node has no sockets of this kind. Closing what comes along tells the sender that it was read. */
const LISTENER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 8)
    for fd in fds: os.close(fd)
    print(data.decode().replace("\\n", " "), flush=True)
`;

describe('the beat', () => {
  const NOTIFY_SOCKET = '/run/x';
  it.each([
    [{ NOTIFY_SOCKET, WATCHDOG_USEC: '60000000' }, 20_000],
    [{ NOTIFY_SOCKET, WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 20_000],
    [{ NOTIFY_SOCKET, WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }, undefined],
    [{ WATCHDOG_USEC: '60000000' }, undefined],
    [{ NOTIFY_SOCKET }, undefined],
    [{ NOTIFY_SOCKET, WATCHDOG_USEC: '-1' }, undefined],
  ])('%j: %s ms', (env, expected) => {
    expect(beatMs(env, 7)).toBe(expected);
  });
});

describe('a daemon under systemd', { timeout: 30_000 }, () => {
  const missing = ['systemd-notify', 'python3'].find((tool) => spawnSync(tool, ['--version']).status !== 0);
  skipBecause(missing ? `${missing} is not installed` : undefined);

  it('says that it is ready, that it lives, and that it ends', async () => {
    const path = join(scratch(), 'notify');
    await using listener = new TestProcess('python3', ['-c', LISTENER, path], {});
    await listener.waitFor(/bound/);
    await using daemon = await startDaemon({
      args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'],
      env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '900000' },
    });
    await listener.waitFor(/READY=1/);
    await until(10_000, 'two beats', () => (listener.stdout.match(/WATCHDOG=1/g) ?? []).length >= 2);
    expect(listener.stdout.indexOf('READY=1')).toBeLessThan(listener.stdout.indexOf('WATCHDOG=1'));
    expect(await daemon.stop()).toBe(0);
    await listener.waitFor(/STOPPING=1/);
  });

  it('is silent when nobody listens, and serves all the same', async () => {
    await using daemon = await startDaemon({
      args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'],
      env: { NOTIFY_SOCKET: '/nonexistent/notify', WATCHDOG_USEC: '900000' },
    });
    expect((await fetch(`${daemon.url}/ollana/api/status`)).status).toBe(200);
    expect(await daemon.stop()).toBe(0);
  });
});
