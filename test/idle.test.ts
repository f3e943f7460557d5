import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { type Idle, type IdleLook, lookIdle } from '../src/daemon/idle.ts';
import { startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

/** When the command is run, s, for looks each second; each letter is a look: u(sed), o(pen), s(lept), anything else. */
function runs(looks: string, afterS: number): readonly number[] {
  let idle: Idle = { sinceMs: 0, wasOpen: false, done: false };
  return [...looks].flatMap((letter, i) => {
    const nowMs = (i + 1) * 1000;
    const look: IdleLook = { nowMs, used: letter === 'u', open: letter === 'o', slept: letter === 's' };
    const { due, ...next } = lookIdle(idle, look, afterS * 1000);
    idle = next;
    return due ? [i + 1] : [];
  });
}

test.each([
  ['once in a time without work', '..........', [3]],
  ['as long after the last use', '.u.u......', [7]],
  ['again after more work', '....u.....', [3, 8]],
  ['again when the machine was woken', '....s.....', [3, 8]],
  ['a list or a probe is no work', '.o........', [3]],
  ['but nothing is cut off', '..o.......', [4]],
  ['a pull is', '.oooo.....', [8]],
  ['never while something is open', 'oooooooooo', []],
  ['nor while models run', 'uuuuuuuuuu', []],
])('%s: %s', (_what, looks, expected) => {
  expect(runs(looks, 3)).toEqual(expected);
});

const FASTER = 20;

describe('the idle command', () => {
  it('runs after a stream, once, and again after the next', { timeout: 30_000 }, async () => {
    using folder = temporaryDirectory('idle');
    const file = join(folder.path, 'ran');
    const count = () => (existsSync(file) ? readFileSync(file, 'utf8').match(/ran/g)?.length : 0);
    const clock = fasterClock(FASTER);
    await using cluster = await startCluster({
      // Its answer has 25 words: longer than the command waits for.
      ollamas: [{ models: [{ name: 'm', tokensPerSecond: 1 }] }],
      serve: true,
      server: { idleCommand: `echo ran >> "${file}"`, idleAfterMs: 10_000 },
      clock,
    });
    const streamed = ask(cluster, '/api/chat', chat('m', 'hi'));
    expect((await streamed).status).toBe(200);
    expect(count()).toBe(0);
    const endedAt = clock.now();
    await until(5000, 'the command to have run', () => count() === 1);
    expect(clock.now() - endedAt).toBeGreaterThan(8_000);
    // Open pages ask for lists all day.
    const listedAt = clock.now();
    await until(
      10_000,
      'twice the time to pass',
      async () => {
        await ask(cluster, '/api/tags', undefined);
        return clock.now() - listedAt > 25_000;
      },
      100,
    );
    expect(count()).toBe(1);
    await ask(cluster, '/api/chat', chat('m', 'hi', { options: { num_predict: 1 } }));
    await until(5000, 'the command to have run again', () => count() === 2);
  });
});
