import { expect, it } from 'vitest';
import type { SimulatedOllamaOptions } from '../src/simulate/ollama.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { startGate, watchLoad } from './_door.ts';
import { type Answer, send, within } from './_simulate-client.ts';

/** A word of four characters, which is a token to read; tells conversations apart from the first. */
const words = (count: number, seed: number) => `${String(seed).padStart(3, '0')} `.repeat(count);

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** One conversation, which grows by what is said and answered. */
class Talk {
  readonly #messages: Message[] = [];
  readonly #url: string;
  readonly #seed: number;

  constructor(url: string, seed: number) {
    this.#url = url;
    this.#seed = seed;
  }

  /** Says `count` words; the server that answered and how long it took, ms. */
  async turn(count: number): Promise<{ server: string; ms: number }> {
    const since = performance.now();
    this.#messages.push({ role: 'user', content: words(count, this.#seed + this.#messages.length) });
    const answer = await this.#ask();
    expect(answer.status, answer.text).toBe(200);
    this.#messages.push({ role: 'assistant', content: JSON.parse(answer.text).message.content });
    return { server: String(answer.headers['x-ollana-server']), ms: performance.now() - since };
  }

  #ask(): Promise<Answer> {
    const body = { model: 'm', messages: this.#messages, stream: false };
    return within(send({ url: this.#url }, '/api/chat', body).answer, 'an answer', 10_000);
  }
}

/** A thousand tokens take half a second to read. */
const OLLAMA: SimulatedOllamaOptions = {
  models: [{ name: 'm', prefillPerSecond: 2000, tokensPerSecond: 500 }],
};

it('a conversation goes on where its beginning is in the cache, while that server is free', async () => {
  await using cluster = await startCluster({
    serve: true,
    ollamas: [OLLAMA, OLLAMA, OLLAMA],
    loaded: ['m', 'm', 'm'],
  });
  const talks = Array.from({ length: 6 }, (_, i) => new Talk(cluster.url, 100 * (i + 1)));
  const last = new Map<Talk, string>();
  let same = 0;
  let turns = 0;
  // All begin at once, and so at more than one server.
  for (const [i, { server }] of (await Promise.all(talks.map((talk) => talk.turn(400)))).entries())
    last.set(talks[i] as Talk, server);
  expect(new Set(last.values()).size).toBeGreaterThan(1);
  for (let turn = 1; turn < 6; turn += 1) {
    for (const talk of talks) {
      const { server } = await talk.turn(50);
      turns += 1;
      if (last.get(talk) === server) same += 1;
      last.set(talk, server);
    }
  }
  expect(same / turns).toBeGreaterThanOrEqual(0.9);
});

it('a conversation leaves its server for another when that is sooner, and waits when it is not', async () => {
  const gate = startGate();
  await using cluster = await startCluster({
    serve: true,
    ollamas: [OLLAMA, OLLAMA].map((one) => ({ ...one, clock: gate.clock })),
    loaded: ['m', 'm'],
    server: { parallel: 1 },
  });
  const talk = new Talk(cluster.url, 100);
  const { server: home } = await talk.turn(2000);
  // Learned from now on: what a turn takes and how fast a prompt is read.
  const other = new Talk(cluster.servers[home === 'a' ? 1 : 0]?.url ?? '', 500);
  for (let i = 0; i < 3; i += 1) await other.turn(300);
  for (let i = 0; i < 3; i += 1) expect((await talk.turn(20)).server).toBe(home);
  const url = cluster.servers[home === 'a' ? 0 : 1]?.url ?? '';
  using watched = await watchLoad(url);
  await watched.idle();
  // Less work than reading 2 000 tokens elsewhere.
  const short = new Talk(url, 900).turn(400);
  await until(5000, 'it to be told', () => watched.row()?.active === 1);
  expect((await talk.turn(20)).server).toBe(home);
  await short;
  await watched.idle();
  // Far more than that.
  const long = [1, 2, 3, 4].map((i) => new Talk(url, 900 + i).turn(2000));
  await until(5000, 'it to be told', () => (watched.row()?.queued ?? 0) === 3);
  const { server, ms } = await talk.turn(20);
  expect(server).not.toBe(home);
  expect(ms).toBeLessThan(2500);
  await Promise.all(long);
});
