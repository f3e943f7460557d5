import { describe, expect, test } from 'vitest';
import { percentile } from '../../scripts/bench/stats.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny' };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };

/** Milliseconds since 1970 with fractions, on the same clock as the agents inside the lab. */
const now = () => performance.timeOrigin + performance.now();

/** Tells the usual figures and returns what eight of ten keep: a busy machine holds a process back now and then. */
function report(what: string, values: readonly number[]): number {
  const median = percentile(values, 0.5);
  const figures = `median ${median.toFixed(0)}, 95th percentile ${percentile(values, 0.95).toFixed(0)}`;
  console.log(`${what}: ${figures} ms in ${values.length} runs`);
  return percentile(values, 0.8);
}

/** When the first byte of the first answered chat came; asks again for as long as nothing listens. */
function firstAnswerAt(laptop: LabHost): Promise<number> {
  return until(
    10_000,
    'an answered chat',
    async () => {
      const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
      return answer.status === 200 && answer.startedAt + answer.firstByteMs;
    },
    5,
  );
}

describe('time until a server is used', { timeout: 120_000 }, () => {
  skipBecause(labAvailable());

  test('a new client uses a server within a second of its start', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await using _server = await serveOn(lab.host('gpu1'));
    await laptop.http('http://127.0.0.1:1/'); // Starts the agent, which is not what is measured.
    const times: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const answered = firstAnswerAt(laptop);
      const client = await clientOn(laptop);
      const up = now();
      times.push((await answered) - up);
      await client[Symbol.asyncDispose]();
    }
    expect(report('new client, from being up to its first answer', times)).toBeLessThan(1000);
  });

  test('a server is used within a second of its Ollama being up', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    const times: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await until(10_000, 'no server left', async () => {
        const answer = await laptop.http(`${LOCAL_FACE}/api/tags`, { abortAfterMs: 1000 });
        return !answer.text.includes('tiny');
      });
      const waiting = laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
      const ollama = await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
      const up = now();
      const answer = await waiting;
      expect(answer.status, answer.text).toBe(200);
      times.push(answer.startedAt + answer.firstByteMs - up);
      await ollama.stop('SIGKILL');
    }
    expect(
      report('Ollama up behind a running server, to the answer of a waiting request', times),
    ).toBeLessThan(1000);
  });

  test('a server started while a client waits is used within a second of its start', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await using _client = await clientOn(laptop);
    const times: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const waiting = laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
      const server = await serveOn(lab.host('gpu1'));
      const up = now();
      const answer = await waiting;
      expect(answer.status, answer.text).toBe(200);
      times.push(answer.startedAt + answer.firstByteMs - up);
      await server.stop();
      await server[Symbol.asyncDispose]();
    }
    expect(report('new server, from being up to the answer of a waiting request', times)).toBeLessThan(1000);
  });
});
