import { expect, test } from 'vitest';
import { type SimulatedOllama, startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, linesOf, send, steppedClock, until, within } from './_simulate-client.ts';

type SteppedClock = ReturnType<typeof steppedClock>;

/** Milliseconds to read a token at the speed of the model below. */
const TOKEN_MS = 10;
const MODELS = [
  { name: 'm', prefillPerSecond: 1000 / TOKEN_MS },
  { name: 'other', size: 1e9 },
];

/** A prompt of 100 tokens that no other speaker's begins like. */
const promptOf = (speaker: number) => `${speaker}${'x'.repeat(399)}`;

/** Milliseconds that `m` took to read a prompt. */
async function readMs(
  ollama: SimulatedOllama,
  clock: SteppedClock,
  prompt: string,
  options: object = {},
): Promise<number> {
  const { answer } = send(ollama, '/api/generate', { model: 'm', prompt, options });
  await until(() => ollama.stats().active === 1, 'the reading');
  let answered = false;
  void answer.then(() => {
    answered = true;
  });
  // A token a step: the reading ends on a step, however late its answer is seen here.
  await until(() => {
    if (!answered) clock.advance(TOKEN_MS);
    return answered;
  }, 'the answer');
  const last = linesOf((await within(answer, 'the answer')).text).at(-1) as { prompt_eval_duration: number };
  return last.prompt_eval_duration / 1e6;
}

test('of a prompt only what no earlier one began with is read, at least one token', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({ clock, models: MODELS, answer: 'ok' });
  expect(await readMs(ollama, clock, promptOf(1))).toBe(1000);
  expect(await readMs(ollama, clock, promptOf(1))).toBe(TOKEN_MS);
  // The answer is part of the conversation, so only what follows it is new.
  expect(await readMs(ollama, clock, `${promptOf(1)}ok${'y'.repeat(40)}`)).toBe(10 * TOKEN_MS);
  expect(await readMs(ollama, clock, `${promptOf(1).slice(0, 200)}${'z'.repeat(200)}`)).toBe(500);
});

test('a model keeps eight conversations, the ninth takes the place of the one used longest ago', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({ clock, models: MODELS, answer: 'ok' });
  for (let i = 0; i < 8; i++) expect(await readMs(ollama, clock, promptOf(i))).toBe(1000);
  for (let i = 0; i < 8; i++) expect(await readMs(ollama, clock, promptOf(i))).toBe(TOKEN_MS);
  expect(await readMs(ollama, clock, promptOf(8))).toBe(1000);
  expect(await readMs(ollama, clock, promptOf(1))).toBe(TOKEN_MS);
  expect(await readMs(ollama, clock, promptOf(0))).toBe(1000);
});

test('another num_ctx and being pushed out of memory forget what was read', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({ clock, models: MODELS, maxLoadedModels: 1 });
  await readMs(ollama, clock, promptOf(1));
  expect(await readMs(ollama, clock, promptOf(1), { num_ctx: 8192 })).toBe(1000);
  expect(await readMs(ollama, clock, promptOf(1), { num_ctx: 8192 })).toBe(TOKEN_MS);
  await ask(ollama, '/api/generate', { model: 'other' });
  expect(await readMs(ollama, clock, promptOf(1), { num_ctx: 8192 })).toBe(1000);
});

test('where memory is full, the model idle longest makes room, and only as many as needed', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({
    clock,
    memoryBytes: 3e9,
    models: [...'abcd'].map((name) => ({ name, size: 1e9 })),
  });
  for (const model of ['a', 'b', 'c', 'a', 'd']) {
    await ask(ollama, '/api/generate', { model });
    clock.advance(1);
  }
  expect(ollama.models.loaded().map(({ name }) => name)).toEqual(['d:latest', 'a:latest', 'c:latest']);
});

test('a busy model is not pushed out while an idle one is there', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({
    clock,
    memoryBytes: 2e9,
    models: [...'abc'].map((name) => ({ name, size: 1e9, tokensPerSecond: 1 })),
  });
  const busy = send(ollama, '/api/generate', { model: 'a', prompt: 'hi' });
  await busy.started;
  clock.advance(1);
  await ask(ollama, '/api/generate', { model: 'b', keep_alive: -1 });
  await ask(ollama, '/api/generate', { model: 'c' });
  expect(ollama.models.loaded().map(({ name }) => name)).toEqual(
    expect.arrayContaining(['a:latest', 'c:latest']),
  );
  expect(ollama.models.loaded()).toHaveLength(2);
  busy.request.destroy();
});
