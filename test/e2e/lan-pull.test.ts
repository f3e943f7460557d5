import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadIdentity } from '../../src/security/identity.ts';
import { CLI, type Daemon, temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { allow } from '../_paired.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, untilListed } from '../lan/_fleet.ts';
import { createLab, type Lab, type LabHost } from '../lan/_lab.ts';
import {
  modelFile,
  ollamaBinary,
  type RealOllama,
  realOllamaUnavailable,
  startRealOllama,
} from './_real-ollama.ts';

/** Real models on a busy machine with two cores. */
const TEST_MS = 90_000;
const NAMES = ['attic', 'gpu', 'shed', 'laptop'] as const;
const SHORT = 'PARAMETER num_predict 8\nPARAMETER temperature 0\nPARAMETER seed 1\nPARAMETER num_thread 1\n';

interface Tag {
  readonly name: string;
  readonly digest: string;
}

describe('a model that a paired server has, on a network without the internet', { timeout: TEST_MS }, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  const folder = temporaryDirectory('lan-pull');
  const parts: AsyncDisposable[] = [];
  const dir = (name: string) => join(folder.path, name);
  let lab: Lab;
  let gpu: RealOllama;
  let client: Daemon;

  const ollamaOn = async (name: (typeof NAMES)[number], models: readonly string[], more: object = {}) => {
    const env = { OLLAMA_CONTEXT_LENGTH: '256', ...more };
    const ollama = await startRealOllama(lab.host(name), models, { parameters: SHORT, env });
    parts.push(ollama);
    return ollama;
  };
  const tagsOn = async (host: LabHost) => {
    const { models } = (await host.http('http://127.0.0.1:11434/api/tags')).json() as { models: Tag[] };
    return models;
  };
  const digestOn = async (name: string, model = 'smol:latest') =>
    (await tagsOn(lab.host(name))).find((tag) => tag.name === model)?.digest;
  const sayOn = async (name: string) => {
    const body = { model: 'smol', prompt: 'Say hello.', stream: false };
    const answer = await lab
      .host(name)
      .http('http://127.0.0.1:11434/api/generate', { body, timeoutMs: 60_000 });
    return (answer.json() as { response: string }).response;
  };

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    lab = await createLab({ hosts: [...NAMES] });
    parts.push(lab);
    await ollamaOn('attic', ['smol']);
    gpu = await ollamaOn('gpu', []);
    // What nobody can find: a folder that is named from where Ollama was started.
    await ollamaOn('shed', [], { OLLAMA_MODELS: 'models' });
    const ids = new Map(NAMES.map((name) => [name, loadIdentity(dir(name)).deviceId]));
    for (const here of NAMES)
      for (const [there, id] of ids)
        if (here !== there) await allow(dir(here), id, there, there === 'laptop');
    for (const name of ['attic', 'gpu', 'shed'] as const)
      parts.push(await serveOn(lab.host(name), ['--data-dir', dir(name)]));
    client = await clientOn(lab.host('laptop'), ['--data-dir', dir('laptop')]);
    parts.push(client);
    for (const name of NAMES) await untilListed(lab.host(name), ['smol']);
  }, TEST_MS);

  afterAll(async () => {
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('is pulled by the stock command, has the same digest, and runs', async () => {
    const env = { ...gpu.env, OLLAMA_HOST: LOCAL_FACE };
    const pulled = await lab.host('gpu').exec(ollamaBinary(), ['pull', 'smol'], { env, timeoutMs: 60_000 });
    expect(pulled.stderr).toContain('copying from attic (LAN)');
    expect(pulled.stderr).toMatch(/copied from attic \(LAN\): 98\.\d MB in [\d.]+ s, [\d.]+ MB\/s/);
    expect(pulled.stderr).toMatch(/installed as attic has it, with the same digest/);
    expect(pulled.code).toBe(0);
    expect(await digestOn('gpu')).toBe(await digestOn('attic'));
    const [here, there] = [await sayOn('gpu'), await sayOn('attic')];
    expect(here).toBe(there);
    expect(here.length).toBeGreaterThan(5);
    const removed = await gpu.cli('rm', 'smol');
    expect(removed).toMatchObject({ code: 0 });
  });

  test('is pulled by `ollana pull` from a laptop, which says from where and how fast', async () => {
    const args = [CLI, 'pull', 'smol', '--on', 'gpu', '--data-dir', dir('laptop')];
    const { stdout, stderr, code } = await lab
      .host('laptop')
      .exec(process.execPath, args, { timeoutMs: 60_000 });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^pulled smol to gpu$/m);
    expect(stdout).toMatch(/^from attic \(LAN\) to gpu: 98 MB at [\d.]+ MB\/s$/m);
    expect(await digestOn('gpu')).toBe(await digestOn('attic'));
    await until(5000, 'it to be listed as on both', async () => {
      const answer = await lab.host('laptop').http(`${LOCAL_FACE}/ollana/api/models`);
      const { models } = answer.json() as { models: { servers: unknown[] }[] };
      return models.length === 1 && models[0]?.servers.length === 2;
    });
  });

  test('is made anew where the folder of the models cannot be found, which is said, and runs', async () => {
    const args = [CLI, 'pull', 'smol', '--on', 'shed', '--data-dir', dir('laptop')];
    const { stdout, code } = await lab.host('laptop').exec(process.execPath, args, { timeoutMs: 60_000 });
    expect(code).toBe(0);
    expect(stdout).toMatch(/with another digest, as Ollama has made it anew of the same files/);
    expect(await digestOn('shed')).not.toBe(await digestOn('attic'));
    expect(await sayOn('shed')).toBe(await sayOn('attic'));
    expect(statSync(modelFile()).size).toBeGreaterThan(90e6);
  });
});
