import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, untilLoaded } from '../lan/_fleet.ts';
import { createLab, type Lab, type LabHost } from '../lan/_lab.ts';
import { realOllamaUnavailable, startRealOllama } from './_real-ollama.ts';

/** Reading on one thread of a busy machine takes its time. */
const TEST_MS = 240_000;
const GPUS = ['gpu1', 'gpu2'];
const OLLAMA = 'http://127.0.0.1:11434';
/** One token is the answer: what takes time is to read. */
const PARAMETERS =
  'PARAMETER num_predict 1\nPARAMETER temperature 0\nPARAMETER seed 1\nPARAMETER num_thread 1\n';

/** Some hundred tokens: reading them takes seconds without a GPU. */
const longPrompt = () => Array.from({ length: 40 }, (_, i) => `The ship number ${i} is a boat.`).join(' ');

describe('a long prompt for two real Ollamas', { timeout: TEST_MS }, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  let lab: Lab;
  let laptop: LabHost;
  const parts: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(part: T): T => {
    parts.unshift(part);
    return part;
  };

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    lab = keep(await createLab({ hosts: [...GPUS, 'laptop'] }));
    laptop = lab.host('laptop');
    for (const name of GPUS) {
      const host = lab.host(name);
      const env = { OLLAMA_CONTEXT_LENGTH: '4096' };
      keep(await startRealOllama(host, ['smol'], { parameters: PARAMETERS, env }));
      keep(await serveOn(host));
      // Loaded on both, so that only what they have read tells them apart.
      await host.http(`${OLLAMA}/api/generate`, { body: { model: 'smol' }, timeoutMs: TEST_MS });
    }
    keep(await clientOn(laptop));
    await untilLoaded(laptop, GPUS.length);
  }, TEST_MS);

  afterAll(async () => {
    for (const part of parts) await part[Symbol.asyncDispose]();
  });

  async function ask(content: string) {
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, {
      body: { model: 'smol', messages: [{ role: 'user', content }], stream: false },
      timeoutMs: TEST_MS,
    });
    expect(answer.status, answer.text).toBe(200);
    const { prompt_eval_count: tokens, prompt_eval_duration: ns } = answer.json() as Record<string, number>;
    return { server: String(answer.headers['x-ollana-server']), tokens, readMs: (ns ?? 0) / 1e6 };
  }

  test('it is read once: the second time it goes where it was read', async () => {
    const prompt = longPrompt();
    const first = await ask(prompt);
    const second = await ask(prompt);
    expect(first.tokens).toBeGreaterThan(300);
    expect(second.server).toBe(first.server);
    expect(second.readMs).toBeLessThan(first.readMs / 10);
  });
});
