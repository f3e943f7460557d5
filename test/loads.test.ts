import { describe, expect, it } from 'vitest';
import type { SimulatedModel } from '../src/simulate/models.ts';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import { startCluster } from './_cluster.ts';
import { ask, chat, within } from './_simulate-client.ts';

/** Small, so that a load that was never seen is thought to take about as long as it does, bytes. */
const SIZE = 2e8;
const LOAD_MS = 150;

const model = (name: string, loadMs = LOAD_MS): SimulatedModel => ({
  name,
  size: SIZE,
  loadMs,
  tokensPerSecond: 500,
});
const loadsOf = (ollamas: readonly SimulatedOllama[]) =>
  ollamas.reduce((sum, ollama) => sum + ollama.stats().loads, 0);

/** An app that asks again as soon as it is answered. */
async function app(url: string, times: number, body: object): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    const { status, text } = await within(ask({ url }, '/api/chat', body), `answer ${i}`, 15_000);
    expect(status, text).toBe(200);
  }
}

const withContext = (numCtx?: number) => chat('m', 'q', numCtx ? { options: { num_ctx: numCtx } } : {});

describe('models that would push each other out', () => {
  it.each<[string, number | undefined, number | undefined]>([
    ['two contexts', 2048, 8192],
    ['a context and none', 2048, undefined],
  ])('stay where they are: %s of two apps on two servers', async (_, one, other) => {
    await using cluster = await startCluster({
      serve: true,
      ollamas: [{ models: [model('m')] }, { models: [model('m')] }],
    });
    const both = (times: number) =>
      Promise.all([app(cluster.url, times, withContext(one)), app(cluster.url, times, withContext(other))]);
    await both(10);
    const before = loadsOf(cluster.ollamas);
    expect(before).toBeLessThanOrEqual(6);
    await both(50);
    expect(loadsOf(cluster.ollamas)).toBe(before);
  });

  it('stay where they are: two models of two apps on two servers with room for one each', async () => {
    const ollama = { models: [model('a'), model('b')], memoryBytes: 1.5 * SIZE };
    await using cluster = await startCluster({ serve: true, ollamas: [ollama, ollama] });
    const both = (times: number) =>
      Promise.all([app(cluster.url, times, chat('a', 'q')), app(cluster.url, times, chat('b', 'q'))]);
    await both(10);
    const before = loadsOf(cluster.ollamas);
    expect(before).toBeLessThanOrEqual(6);
    await both(50);
    expect(loadsOf(cluster.ollamas)).toBe(before);
  });

  it('take long turns where there is room for one only', async () => {
    const ollama = { models: [model('a'), model('b')], memoryBytes: 1.5 * SIZE };
    await using cluster = await startCluster({ serve: true, ollamas: [ollama] });
    const apps = ['a', 'b', 'a', 'b', 'a', 'b'].map((name) => app(cluster.url, 20, chat(name, 'q')));
    await Promise.all(apps);
    // In the order of arrival it would be one load for nearly each of the 120.
    expect(loadsOf(cluster.ollamas)).toBeLessThanOrEqual(20);
  });
});

it('loads one model after the other, as Ollama does, and lets nothing through that would wait there', async () => {
  await using cluster = await startCluster({
    serve: true,
    ollamas: [{ models: [model('a', 400), model('b', 400)] }],
  });
  await Promise.all([app(cluster.url, 1, chat('a', 'q')), app(cluster.url, 1, chat('b', 'q'))]);
  const [ollama] = cluster.ollamas;
  const [first, second] = (ollama?.seen ?? []).filter(({ path }) => path === '/api/chat');
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(390);
  expect(ollama?.stats().loads).toBe(2);
});
