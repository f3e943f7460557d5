import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServerConfig } from '../src/config.ts';
import { startServer } from '../src/daemon/server.ts';
import { type SimulatedOllamaOptions, startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startBefore, startCluster } from './_cluster.ts';
import { commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { startTap, watchLoad } from './_door.ts';
import { ask } from './_simulate-client.ts';

/** 5 ms a token written, 1 ms a token read, 30 tokens an answer. */
const OLLAMA: SimulatedOllamaOptions = {
  models: [{ name: 'm', tokensPerSecond: 200, prefillPerSecond: 1000 }],
  answer: 'word '.repeat(30).trim(),
};
const OUTPUT = 30;
/** Timers are late on a busy machine, never early. */
const DECODE_MS = { least: 4.5, most: 15 };
const PREFILL_MS = { least: 0.9, most: 4 };

type Body = (content: string) => object;

const messages = (content: string) => ({ model: 'm', messages: [{ role: 'user', content }] });
const usage = { stream_options: { include_usage: true } };

/** A prompt of some 150 tokens that begins like no other. */
const prompt = (i: number) => `${i} ${'read '.repeat(120)}`;

const ASKS: readonly { what: string; path: string; body: Body; timed: boolean }[] = [
  { what: '/api/chat, streamed', path: '/api/chat', body: messages, timed: true },
  {
    what: '/api/chat, whole',
    path: '/api/chat',
    body: (content) => ({ ...messages(content), stream: false }),
    timed: true,
  },
  {
    what: '/api/generate',
    path: '/api/generate',
    body: (content) => ({ model: 'm', prompt: content }),
    timed: true,
  },
  {
    what: '/v1/chat/completions, streamed with usage',
    path: '/v1/chat/completions',
    body: (content) => ({ ...messages(content), stream: true, ...usage }),
    timed: true,
  },
  // Of a whole answer without times nobody can tell reading from writing.
  {
    what: '/v1/chat/completions, whole',
    path: '/v1/chat/completions',
    body: messages,
    timed: false,
  },
  {
    what: '/v1/messages, streamed',
    path: '/v1/messages',
    body: (content) => ({ ...messages(content), max_tokens: 100, stream: true }),
    timed: true,
  },
  {
    what: '/v1/messages, whole',
    path: '/v1/messages',
    body: (content) => ({ ...messages(content), max_tokens: 100 }),
    timed: false,
  },
];

const isLearned = (value: number | null | undefined) => typeof value === 'number';

describe('what a model costs is learned from its answers and told', () => {
  it.each(ASKS)('$what', async ({ path, body, timed }) => {
    await using cluster = await startCluster({ serve: true, ollamas: [OLLAMA], loaded: ['m'] });
    using watched = await watchLoad(cluster.servers[0]?.url ?? '');
    expect(watched.row()?.outputTokens ?? null).toBeNull();
    for (let i = 0; i < 3; i += 1) expect((await ask(cluster, path, body(prompt(i)))).status).toBe(200);
    await until(
      2000,
      'it to be told',
      () => isLearned(watched.row()?.outputTokens) && watched.row()?.active === 0,
    );
    const { outputTokens, decodeMsPerToken, prefillMsPerToken } = watched.row() ?? {};
    expect(outputTokens).toBeCloseTo(OUTPUT, 0);
    if (!timed) return expect([decodeMsPerToken, prefillMsPerToken]).toEqual([null, null]);
    expect(decodeMsPerToken).toBeGreaterThan(DECODE_MS.least);
    expect(decodeMsPerToken).toBeLessThan(DECODE_MS.most);
    expect(prefillMsPerToken).toBeGreaterThan(PREFILL_MS.least);
    expect(prefillMsPerToken).toBeLessThan(PREFILL_MS.most);
  });

  it('a load too, and not from a model that was there', async () => {
    const models = [{ name: 'm', loadMs: 300, tokensPerSecond: 200 }];
    await using cluster = await startCluster({ serve: true, ollamas: [{ ...OLLAMA, models }] });
    using watched = await watchLoad(cluster.servers[0]?.url ?? '');
    for (let i = 0; i < 3; i += 1) {
      expect((await ask(cluster, '/api/chat', messages(prompt(i)))).status).toBe(200);
      await until(
        2000,
        'it to be told',
        () => isLearned(watched.row()?.loadMs) && watched.row()?.active === 0,
      );
      expect(watched.row()?.loadMs).toBeGreaterThan(290);
      expect(watched.row()?.loadMs).toBeLessThan(600);
    }
  });
});

it('what was learned is told again after a restart, before the first request', async () => {
  using folder = temporaryDirectory('costs');
  await using ollama = await startSimulatedOllama(OLLAMA);
  const config: ServerConfig = {
    ...commonConfig(folder.path, { ollama: ollama.url, name: 'a' }),
    mode: 'server',
    allow: new Set(),
  };
  const learned = async (work: (url: string) => Promise<void>) => {
    const server = await startServer(config, new TestLog());
    try {
      using watched = await watchLoad(server.url);
      await work(server.url);
      return await until(2000, 'it to be told', () => {
        const row = watched.row();
        return row?.active === 0 && row.outputTokens !== null ? row : undefined;
      });
    } finally {
      await server.stop();
    }
  };
  const first = await learned(async (url) => {
    await until(
      5000,
      'Ollama to be known',
      async () => (await ask({ url }, '/api/chat', messages('q'))).status === 200,
    );
    for (let i = 0; i < 3; i += 1) await ask({ url }, '/api/chat', messages(prompt(i)));
  });
  const file = join(folder.path, 'costs.json');
  expect(existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).costs).toHaveLength(1);
  const second = await learned(async () => {});
  expect(second.decodeMsPerToken).toBeCloseTo(first.decodeMsPerToken ?? 0, 3);
  expect(second.prefillMsPerToken).toBeCloseTo(first.prefillMsPerToken ?? 0, 3);
  expect(second.outputTokens).toBeCloseTo(first.outputTokens ?? 0, 3);
});

it('a server of which nothing is known yet is tried', async () => {
  await using cluster = await startCluster({ serve: true, ollamas: [OLLAMA, OLLAMA], loaded: ['m', 'm'] });
  const [known = '', fresh = ''] = cluster.servers.map(({ url }) => url);
  using watched = await watchLoad(known);
  for (let i = 0; i < 4; i += 1) await ask({ url: known }, '/api/chat', messages(prompt(i)));
  await watched.idle();
  const taps = [await startTap(known), await startTap(fresh)];
  await using before = await startBefore(taps.map(({ url }) => url));
  await until(5000, 'the client to be told', () => taps.every((tap) => tap.told()));
  for (let i = 0; i < 10; i += 1) {
    expect((await ask(before, '/api/chat', messages(prompt(100 + i)))).status).toBe(200);
  }
  const counts = cluster.ollamas.map(({ seen }) => seen.filter(({ path }) => path === '/api/chat').length);
  expect(counts[0]).toBeGreaterThan(4);
  expect(counts[1]).toBeGreaterThan(0);
  for (const tap of taps) await tap[Symbol.asyncDispose]();
});
