import { expect, test } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat, linesOf, send, steppedClock, until, within } from './_simulate-client.ts';

const FOREVER = 1e9;
const names = (ollama: { models: { loaded(): readonly { name: string }[] } }) =>
  ollama.models.loaded().map((row) => row.name);

test('nothing of an answer is sent before load and prefill are done', async () => {
  await using ollama = await startSimulatedOllama({
    models: [{ name: 'm', loadMs: 60, prefillPerSecond: 100 }],
  });
  const answer = await ask(ollama, '/api/chat', chat('m', 'x'.repeat(40)));
  expect(answer.firstByteMs).toBeGreaterThan(160);
  const last = linesOf(answer.text).at(-1) as Record<string, number>;
  expect(last.load_duration).toBeGreaterThan(58e6);
  expect(last.prompt_eval_duration).toBeGreaterThan(100e6);
});

test('two cold models load one after the other', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({
    clock,
    models: [
      { name: 'a', loadMs: 1000 },
      { name: 'b', loadMs: 1000 },
    ],
  });
  const a = send(ollama, '/api/chat', chat('a', 'hi'));
  await until(() => ollama.stats().loads === 1, 'the first load');
  const b = send(ollama, '/api/chat', chat('b', 'hi'));
  await until(() => ollama.stats().queued === 2, 'both to wait');
  clock.advance(1000);
  expect((await within(a.answer, 'the first answer')).status).toBe(200);
  await until(() => ollama.stats().loads === 2, 'the second load');
  expect(names(ollama)).toEqual(['a:latest']);
  clock.advance(1000);
  expect((await within(b.answer, 'the second answer')).status).toBe(200);
});

test.each([1, 2])('a loaded model runs %i requests at once and queues the others', async (numParallel) => {
  await using ollama = await startSimulatedOllama({
    numParallel,
    models: [{ name: 'm', tokensPerSecond: 2000 }],
  });
  await ollama.load('m');
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => ask(ollama, '/api/chat', chat('m', 'hi'))));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
  expect(ollama.stats()).toMatchObject({ active: 0, queued: 0, maxActive: numParallel, loads: 0 });
});

test('an embedding model runs one request at a time whatever the setting', async () => {
  await using ollama = await startSimulatedOllama({
    numParallel: 4,
    models: [{ name: 'e', embedding: true, prefillPerSecond: 100 }],
  });
  await Promise.all([1, 2, 3].map(() => ask(ollama, '/api/embed', { model: 'e', input: 'abcd' })));
  expect(ollama.stats().maxActive).toBe(1);
});

test('another num_ctx reloads the model and shows in /api/ps, the same one does not', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm' }] });
  const load = (options: object) => ask(ollama, '/api/generate', { model: 'm', options });
  await load({});
  await load({ num_ctx: 4096 });
  expect(ollama.stats().loads).toBe(1);
  await load({ num_ctx: 8192 });
  expect(ollama.stats().loads).toBe(2);
  const ps = JSON.parse((await ask(ollama, '/api/ps')).text);
  expect(ps.models).toMatchObject([{ name: 'm:latest', context_length: 8192 }]);
});

test('a reload waits for the requests that use the model', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', tokensPerSecond: 10 }] });
  const first = send(ollama, '/api/chat', chat('m', 'hi'));
  await first.started;
  const second = send(ollama, '/api/chat', chat('m', 'hi', { options: { num_ctx: 8192 } }));
  await until(() => ollama.stats().queued === 1, 'the second to wait');
  expect(ollama.stats()).toMatchObject({ active: 1, loads: 1 });
  first.request.destroy();
  await within(second.started, 'the second to begin');
  expect(ollama.stats().loads).toBe(2);
  second.request.destroy();
});

test('where memory is full, the idle model that expires first makes room', async () => {
  await using ollama = await startSimulatedOllama({
    memoryBytes: 2e9,
    models: [
      { name: 'a', size: 1e9 },
      { name: 'b', size: 1e9 },
      { name: 'c', size: 1e9 },
    ],
  });
  await ask(ollama, '/api/generate', { model: 'a', keep_alive: '10m' });
  await ask(ollama, '/api/generate', { model: 'b', keep_alive: 60 });
  await ask(ollama, '/api/generate', { model: 'c' });
  expect(names(ollama)).toEqual(['a:latest', 'c:latest']);
});

test('no more models are loaded than the limit says', async () => {
  await using ollama = await startSimulatedOllama({
    maxLoadedModels: 1,
    models: [{ name: 'a' }, { name: 'b' }],
  });
  await ollama.load('a');
  await ask(ollama, '/api/generate', { model: 'b' });
  expect(names(ollama)).toEqual(['b:latest']);
});

test('an idle model leaves memory when its keep_alive is over, a negative one stays', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({
    clock,
    models: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  });
  await ask(ollama, '/api/generate', { model: 'a' });
  await ask(ollama, '/api/generate', { model: 'b', keep_alive: '1h30m' });
  await ask(ollama, '/api/generate', { model: 'c', keep_alive: -1 });
  expect(names(ollama)).toEqual(['c:latest', 'b:latest', 'a:latest']);
  clock.advance(299_999);
  expect(names(ollama)).toContain('a:latest');
  clock.advance(1);
  expect(names(ollama)).toEqual(['c:latest', 'b:latest']);
  clock.advance(90 * 60_000);
  expect(names(ollama)).toEqual(['c:latest']);
});

test('empty requests load and, with keep_alive 0, unload', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm' }] });
  const loaded = await ask(ollama, '/api/chat', { model: 'm' });
  expect(JSON.parse(loaded.text)).toMatchObject({
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'load',
  });
  expect(names(ollama)).toEqual(['m:latest']);
  const unloaded = await ask(ollama, '/api/generate', { model: 'm', keep_alive: 0 });
  expect(JSON.parse(unloaded.text)).toMatchObject({ response: '', done: true, done_reason: 'unload' });
  expect(names(ollama)).toEqual([]);
});

test('a client that leaves during the load it caused aborts that load', async () => {
  await using ollama = await startSimulatedOllama({
    models: [{ name: 'slow', loadMs: FOREVER }, { name: 'quick' }],
  });
  const gone = send(ollama, '/api/chat', chat('slow', 'hi'));
  await until(() => ollama.stats().loads === 1, 'the load to begin');
  const next = send(ollama, '/api/chat', chat('quick', 'hi'));
  await ollama.onceSeen((seen) => seen.body?.includes('quick') ?? false);
  const left = performance.now();
  gone.request.destroy();
  const seen = await within(ollama.onceAborted(), 'the abort');
  expect((seen.abortedAt ?? FOREVER) - left).toBeLessThan(100);
  expect((await within(next.answer, 'the request behind it')).status).toBe(200);
  expect(names(ollama)).toEqual(['quick:latest']);
});

test('a client that leaves the queue is noticed and takes no slot', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', tokensPerSecond: 2 }] });
  const first = send(ollama, '/api/chat', chat('m', 'first'));
  await first.started;
  const second = send(ollama, '/api/chat', chat('m', 'second', { stream: false }));
  await until(() => ollama.stats().queued === 1, 'the second to queue');
  second.request.destroy();
  const seen = await within(ollama.onceAborted(), 'the abort');
  expect(seen.body?.toString()).toContain('second');
  await until(() => ollama.stats().queued === 0, 'the queue to empty');
  expect(ollama.stats().active).toBe(1);
  first.request.destroy();
  await until(() => ollama.stats().active === 0, 'the slot to be free');
});

test.each([true, false])('a client that leaves an answer (stream: %s) frees the slot', async (streamed) => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', tokensPerSecond: 0.01 }] });
  const sent = send(ollama, '/api/chat', chat('m', 'hi', { stream: streamed }));
  if (streamed) await sent.started;
  else await until(() => ollama.stats().active === 1, 'the generation');
  sent.request.destroy();
  const seen = await within(ollama.onceAborted(), 'the abort');
  expect(seen.answered).toBe(false);
  await until(() => ollama.stats().active === 0, 'the slot to be free');
});

test('a reader that stops reading holds its own stream back', async () => {
  await using ollama = await startSimulatedOllama({ numParallel: 2, answer: 'word '.repeat(100_000) });
  const held = send(ollama, '/api/chat', chat('simulated', 'hi'));
  const paused = new Promise<void>((resolve) => {
    held.request.prependListener('response', (res) => {
      res.pause();
      resolve();
    });
  });
  await within(paused, 'the headers');
  expect((await ask(ollama, '/api/chat', chat('simulated', 'hi'))).complete).toBe(true);
  expect(ollama.stats().active).toBe(1);
  held.request.destroy();
  expect((await within(ollama.onceAborted(), 'the abort')).answered).toBe(false);
});

test('a prompt that begins as an earlier one is not read twice', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', prefillPerSecond: 300 }] });
  const turn = async (messages: object[]) => {
    const lines = linesOf((await ask(ollama, '/api/chat', { model: 'm', messages })).text);
    return lines.at(-1) as { prompt_eval_count: number; prompt_eval_duration: number };
  };
  const question = { role: 'user', content: 'long '.repeat(100) };
  const cold = await turn([question]);
  const warm = await turn([question]);
  expect(cold.prompt_eval_duration).toBeGreaterThan(400e6);
  expect(warm.prompt_eval_duration).toBeLessThan(300e6);
  expect(warm.prompt_eval_count).toBe(cold.prompt_eval_count);
  await ask(ollama, '/api/chat', { model: 'm', keep_alive: 0 });
  expect((await turn([question])).prompt_eval_duration).toBeGreaterThan(400e6);
});

test('the 513th request that waits for a load is told that the server is busy', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', loadMs: FOREVER }] });
  const waiting = Array.from({ length: 512 }, () => send(ollama, '/api/chat', chat('m', 'hi')));
  await until(() => ollama.stats().queued === 512, '512 to wait');
  const refused = await ask(ollama, '/api/chat', chat('m', 'hi'));
  expect(refused.status).toBe(503);
  expect(refused.text).toBe('{"error":"server busy, please try again.  maximum pending requests exceeded"}');
  for (const sent of waiting) sent.request.destroy();
  await until(() => ollama.stats().queued === 0, 'the queue to empty');
});
