import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable } from './_capture.ts';
import { say, startSide, TSX, waitForSighting } from './_discovery.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const LIAR = fileURLToPath(new URL('_mdns-liar.ts', import.meta.url));

async function lie(host: LabHost, what: 'responses' | 'questions'): Promise<number> {
  const { stdout, stderr } = await host.exec(process.execPath, ['--import', TSX, LIAR, host.ip, what], {
    timeoutMs: 60_000,
  });
  const [, count] = /said (\d+)/.exec(stdout) ?? [];
  if (count === undefined) throw new Error(stderr);
  return Number(count);
}

describe('servers that speak mDNS', { timeout: 120_000 }, () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('answer no answers, not each other’s and not forged ones, and questions at most as often as asked', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'liar', 'laptop'] });
    const servers = await Promise.all(
      ['a', 'b'].map((digit, i) =>
        // On a clock on which every packet is a second later, so that no limit by the second spares it one.
        startSide(lab.host(`gpu${i + 1}`), 'mdns', 'server', {
          deviceId: digit.repeat(64),
          name: `gpu${i + 1}`,
          hasty: true,
        }),
      ),
    );
    await using wire = await lab.capture({
      filter: 'udp port 5353 and src net 10.77.0.0/30 and not src host 10.77.0.3',
    });
    const quietFor = (ms: number) =>
      until(20_000, `${ms} ms of silence`, () => Date.now() - (wire.packets.at(-1)?.time ?? 0) > ms, 50);
    await until(10_000, 'announcements', () => wire.packets.length > 2);
    // Both have announced themselves, each has heard the other, and that was all.
    await quietFor(2500);
    const before = wire.packets.length;
    expect(await lie(lab.host('liar'), 'responses')).toBeGreaterThan(10_000);
    await quietFor(500);
    expect(wire.packets.slice(before).map(({ src, payload }) => [src, payload.toString('latin1')])).toEqual(
      [],
    );
    const asked = await lie(lab.host('liar'), 'questions');
    await quietFor(500);
    const answers = wire.packets.length - before;
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThan(asked);
    const client = await startSide(lab.host('laptop'), 'mdns', 'client');
    for (const digit of ['a', 'b'])
      await waitForSighting(client, ({ deviceId }) => deviceId === digit.repeat(64));
    for (const server of servers) say(server, 'stop');
    for (const server of servers) expect(await server.exited).toMatchObject({ code: 0 });
  });
});
