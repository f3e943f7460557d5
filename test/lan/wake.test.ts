import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny' };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };

/** Longer than the 15 s for which a claim of the beacon counts. */
const SLEEP_MS = 17_000;

describe('a laptop that slept', { timeout: 90_000 }, () => {
  skipBecause(labAvailable());

  test.each([
    ['was killed', 'kill'],
    ['lost its cable', 'cut'],
    ['shut down', 'stop'],
  ])(
    'does not use a server that %s meanwhile, and finds a new one, within two seconds',
    async (_what, how) => {
      await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
      const laptop = lab.host('laptop');
      for (const name of ['gpu1', 'gpu2']) await simulatedOn(lab.host(name), { models: [MODEL] });
      await using dead = await serveOn(lab.host('gpu1'));
      await using client = await clientOn(laptop);
      await untilListed(laptop, ['tiny']);
      expect((await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT)).headers['x-ollana-server']).toBe('gpu1');

      client.process.child.kill('SIGSTOP');
      const sleptAt = performance.now();
      if (how === 'cut') await lab.host('gpu1').linkDown();
      else await dead.stop(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
      await using _fresh = await serveOn(lab.host('gpu2'));
      await until(
        SLEEP_MS + 1000,
        'the end of the sleep',
        () => performance.now() - sleptAt >= SLEEP_MS,
        100,
      );

      client.process.child.kill('SIGCONT');
      const wokeAt = performance.now();
      const since = () => performance.now() - wokeAt;
      // As an app would that was about to ask when the lid was closed.
      const asked = laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
      let freshMs = 0;
      await until(10_000, 'gpu1 to be out of use and gpu2 in use', async () => {
        const seen = await serversSeenBy(laptop);
        const isUsed = (name: string) => seen.some((one) => one.name === name && one.verdict === 'reliable');
        if (isUsed('gpu2') && freshMs === 0) freshMs = since();
        return isUsed('gpu2') && !isUsed('gpu1');
      });
      const settledMs = since();
      const answer = await asked;
      expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu2']);
      console.log(
        `woke, the old server ${how}: the new one in use after ${freshMs.toFixed(0)} ms, the old one out of use after ${settledMs.toFixed(0)} ms, a request sent at once answered after ${answer.firstByteMs.toFixed(0)} ms`,
      );
      expect(Math.max(settledMs, answer.firstByteMs)).toBeLessThan(2000);
    },
  );
});
