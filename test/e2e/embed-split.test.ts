import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, untilLoaded } from '../lan/_fleet.ts';
import { createLab, type Lab, type LabHost } from '../lan/_lab.ts';
import { ollamaBinary, realOllamaUnavailable, startRealOllama } from './_real-ollama.ts';

/** A real model on a busy machine with two cores: the first answer also loads it. */
const TEST_MS = 60_000;
const GPUS = ['gpu1', 'gpu2'];
const OLLAMA = 'http://127.0.0.1:11434';
/** Half of them at each server is the least that is shared. */
const TEXTS = Array.from({ length: 16 }, (_, i) => `boat ${i * 7}`);

interface Embedded {
  readonly embeddings: readonly (readonly number[])[];
  readonly prompt_eval_count: number;
}

describe('a batch of texts for two real Ollamas with the same model', { timeout: TEST_MS }, () => {
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
    keep(await startRealOllama(lab.host('gpu1')));
    keep(await startBeside(lab.host('gpu2'), await modelsOf(lab.host('gpu1'))));
    for (const name of GPUS) {
      keep(await serveOn(lab.host(name)));
      // Only where it is loaded does a server take part in so short a batch.
      await embed(lab.host(name), OLLAMA, ['warm']);
    }
    keep(await clientOn(laptop));
    await untilLoaded(laptop, GPUS.length);
  }, TEST_MS);

  afterAll(async () => {
    for (const part of parts) await part[Symbol.asyncDispose]();
  });

  async function embed(host: LabHost, url: string, input: readonly string[]) {
    const answer = await host.http(`${url}/api/embed`, {
      body: { model: 'smol', input },
      timeoutMs: TEST_MS,
    });
    expect(answer.status, answer.text).toBe(200);
    return { headers: answer.headers, json: answer.json() as Embedded };
  }

  test('both servers share it, and the vectors are those that one gives to the same parts', async () => {
    const split = await embed(laptop, LOCAL_FACE, TEXTS);
    expect(split.headers['x-ollana-reason']).toBe('split');
    expect(String(split.headers['x-ollana-server']).split(', ').sort()).toEqual(GPUS);
    const gpu1 = lab.host('gpu1');
    const parts = [TEXTS.slice(0, 8), TEXTS.slice(8)];
    const halves: Embedded[] = [];
    for (const part of parts) halves.push((await embed(gpu1, OLLAMA, part)).json);
    const vectors = halves.flatMap(({ embeddings }) => embeddings);
    expect(split.json.embeddings).toHaveLength(TEXTS.length);
    expect(split.json.embeddings).toEqual(vectors);
  });

  test('and those that one gives to all of them at once, with the same count of tokens', async () => {
    const split = await embed(laptop, LOCAL_FACE, TEXTS);
    const whole = await embed(lab.host('gpu2'), OLLAMA, TEXTS);
    expect(split.headers['x-ollana-reason']).toBe('split');
    expect(split.json.prompt_eval_count).toBe(whole.json.prompt_eval_count);
    expect(split.json.embeddings).toEqual(whole.json.embeddings);
  });
});

/** The folder in which a host's Ollama keeps its models. */
async function modelsOf(host: LabHost): Promise<string> {
  const { json } = await host.http(`${OLLAMA}/api/show`, { body: { model: 'smol' } });
  const blob = /^FROM (\/.+)$/m.exec((json() as { modelfile: string }).modelfile)?.[1] ?? '';
  return dirname(dirname(blob));
}

/**
 * Starts a real Ollama that has the models in `folder`: made on each host, one and the same Modelfile gives two
 * digests.
 */
async function startBeside(host: LabHost, folder: string): Promise<AsyncDisposable> {
  const home = temporaryDirectory('real-ollama');
  const env = { HOME: home.path, OLLAMA_MODELS: folder, OLLAMA_NOPRUNE: '1', OLLAMA_HOST: OLLAMA };
  const server = host.spawn(ollamaBinary(), ['serve'], { env });
  await until(20_000, 'the second Ollama answers', async () => {
    return (await host.http(`${OLLAMA}/api/version`)).status === 200;
  });
  return {
    async [Symbol.asyncDispose]() {
      await server.stop('SIGTERM').catch(() => {}); // Killed when it would not end: it holds nothing of worth.
      home[Symbol.dispose]();
    },
  };
}
