import { describe, expect, test } from 'vitest';
import { type SimulatedOllama, startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat, linesOf, type Sent, send, steppedClock, until, within } from './_simulate-client.ts';

/** Ten tokens: a second of work at the speed of the models below. */
const ANSWER = '0 1 2 3 4 5 6 7 8 9';
const PACE = { tokensPerSecond: 10, prefillPerSecond: 100 };

interface Counters {
  load_duration: number;
  prompt_eval_duration: number;
  eval_duration: number;
}

interface Streamed extends Sent {
  /** Lines that have come. */
  lines(): number;
}

/** A streamed generation whose lines can be counted while they come. */
function stream(ollama: SimulatedOllama, body: object): Streamed {
  const sent = send(ollama, '/api/generate', { prompt: 'hi', ...body });
  let lines = 0;
  sent.request.on('response', (res) => {
    res.on('data', (text: string) => {
      lines += text.split('\n').length - 1;
    });
  });
  return { ...sent, lines: () => lines };
}

async function countersOf(sent: Sent): Promise<Counters> {
  const { text } = await within(sent.answer, 'the answer');
  return linesOf(text).at(-1) as Counters;
}

async function untilLines(count: number, ...streams: readonly Streamed[]): Promise<void> {
  await until(() => streams.every((one) => one.lines() === count), `${count} lines each`);
}

function machine(clock: ReturnType<typeof steppedClock>, more: object = {}): Promise<SimulatedOllama> {
  return startSimulatedOllama({
    clock,
    answer: ANSWER,
    shared: true,
    models: [
      { name: 'a', tokensPerSecond: 10 },
      { name: 'b', tokensPerSecond: 10 },
    ],
    ...more,
  });
}

describe('a shared GPU', () => {
  test('one alone is unaffected', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    const a = stream(ollama, { model: 'a' });
    await untilLines(1, a);
    clock.advance(999);
    await untilLines(10, a);
    clock.advance(1);
    expect((await countersOf(a)).eval_duration).toBe(1e9);
  });

  test.each([
    { what: 'two models', models: ['a', 'b'], numParallel: 1 },
    { what: 'two slots of a model', models: ['a', 'a'], numParallel: 2 },
  ])('$what at once take twice as long each', async ({ models, numParallel }) => {
    const clock = steppedClock();
    await using ollama = await machine(clock, { numParallel });
    const both = models.map((model) => stream(ollama, { model }));
    await untilLines(1, ...both);
    clock.advance(1000);
    await untilLines(6, ...both);
    clock.advance(999);
    await untilLines(10, ...both);
    clock.advance(1);
    for (const one of both) expect((await countersOf(one)).eval_duration).toBe(2e9);
  });

  test('without sharing, two models at once take as long as one', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock, { shared: false });
    const both = ['a', 'b'].map((model) => stream(ollama, { model }));
    await untilLines(1, ...both);
    clock.advance(1000);
    for (const one of both) expect((await countersOf(one)).eval_duration).toBe(1e9);
  });

  test('who comes and goes in mid-stream slows the other for that long', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    const a = stream(ollama, { model: 'a' });
    await untilLines(1, a);
    clock.advance(500);
    await untilLines(6, a);
    const b = stream(ollama, { model: 'b' });
    await untilLines(1, b);
    clock.advance(999);
    await untilLines(10, a);
    await untilLines(5, b);
    clock.advance(1);
    expect((await countersOf(a)).eval_duration).toBe(1.5e9);
    clock.advance(500);
    expect((await countersOf(b)).eval_duration).toBe(1.5e9);
  });

  test('a client that leaves gives its share back', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    const a = stream(ollama, { model: 'a' });
    const b = stream(ollama, { model: 'b' });
    await untilLines(1, a, b);
    clock.advance(500);
    b.request.destroy();
    await until(() => ollama.stats().active === 1, 'the slot to be free');
    clock.advance(749);
    await untilLines(10, a);
    clock.advance(1);
    expect((await countersOf(a)).eval_duration).toBe(1.25e9);
  });

  test('answers that do not stream share as well', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    const both = ['a', 'b'].map((model) => send(ollama, '/api/chat', chat(model, 'hi', { stream: false })));
    await until(() => ollama.stats().active === 2, 'both to run');
    clock.advance(1999);
    // An answer that were over by now would note this moment as its end.
    await ask(ollama, '/api/version');
    clock.advance(1);
    for (const one of both) expect((await countersOf(one)).eval_duration).toBe(2e9);
  });

  test('reading prompts is shared, with generations and with embeddings', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock, {
      models: [
        { name: 'a', ...PACE },
        { name: 'b', ...PACE },
        { name: 'e', embedding: true, prefillPerSecond: 100 },
      ],
    });
    // A second of work each: a reads and writes, e reads.
    const a = stream(ollama, { model: 'a', prompt: 'x'.repeat(200), options: { num_predict: 5 } });
    const e = send(ollama, '/api/embed', { model: 'e', input: 'x'.repeat(400) });
    await until(() => ollama.stats().active === 2, 'both to run');
    clock.advance(1000);
    await untilLines(1, a);
    clock.advance(1000);
    const { prompt_eval_duration, eval_duration } = await countersOf(a);
    expect({ prompt_eval_duration, eval_duration }).toEqual({
      prompt_eval_duration: 1e9,
      eval_duration: 1e9,
    });
    const embedded = JSON.parse((await within(e.answer, 'the vectors')).text);
    expect(embedded.total_duration).toBe(2e9);
  });

  test('who loads is not running yet, and loads in real time', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock, {
      models: [
        { name: 'a', tokensPerSecond: 10 },
        { name: 'b', tokensPerSecond: 10, loadMs: 1000 },
      ],
    });
    const a = stream(ollama, { model: 'a' });
    await untilLines(1, a);
    const b = stream(ollama, { model: 'b' });
    await until(() => ollama.stats().loads === 2, 'the load');
    clock.advance(1000);
    expect((await countersOf(a)).eval_duration).toBe(1e9);
    await untilLines(1, b);
    clock.advance(1000);
    expect(await countersOf(b)).toMatchObject({ load_duration: 1e9, eval_duration: 1e9 });
  });

  test('who waits for a slot is not running yet', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    const first = stream(ollama, { model: 'a' });
    await untilLines(1, first);
    const second = stream(ollama, { model: 'a' });
    await until(() => ollama.stats().queued === 1, 'the second to wait');
    clock.advance(1000);
    expect((await countersOf(first)).eval_duration).toBe(1e9);
    await untilLines(1, second);
    clock.advance(1000);
    expect((await countersOf(second)).eval_duration).toBe(1e9);
  });

  test('a runner that stalls keeps its slot but not the GPU', async () => {
    const clock = steppedClock();
    await using ollama = await machine(clock);
    ollama.faults.set({ kind: 'stall', afterLines: 1 }, { times: 1 });
    const stalled = stream(ollama, { model: 'b' });
    await untilLines(1, stalled);
    const a = stream(ollama, { model: 'a' });
    await untilLines(1, a);
    clock.advance(1000);
    expect((await countersOf(a)).eval_duration).toBe(1e9);
    expect(ollama.stats().active).toBe(1);
    stalled.request.destroy();
  });

  test('a reader that stops reading keeps its slot but not the GPU', async () => {
    const clock = steppedClock();
    const answer = (prompt: string) => (prompt === 'much' ? 'word '.repeat(100_000) : ANSWER);
    await using ollama = await machine(clock, {
      answer,
      models: [{ name: 'a', tokensPerSecond: 10 }, { name: 'b' }],
    });
    const held = send(ollama, '/api/generate', { model: 'b', prompt: 'much' });
    const paused = new Promise<void>((resolve) => {
      held.request.prependListener('response', (res) => {
        res.pause();
        resolve();
      });
    });
    await within(paused, 'the headers');
    const a = stream(ollama, { model: 'a' });
    await untilLines(1, a);
    clock.advance(1000);
    expect((await countersOf(a)).eval_duration).toBe(1e9);
    held.request.destroy();
  });
});

test('speed makes reading and writing faster, not loading', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({
    clock,
    answer: ANSWER,
    speed: 2,
    models: [{ name: 'a', ...PACE, loadMs: 1000 }],
  });
  const a = stream(ollama, { model: 'a', prompt: 'x'.repeat(400) });
  await until(() => ollama.stats().loads === 1, 'the load');
  clock.advance(1000);
  await until(() => ollama.stats().active === 1, 'the model to be loaded');
  clock.advance(500);
  await untilLines(1, a);
  clock.advance(500);
  expect(await countersOf(a)).toMatchObject({
    load_duration: 1e9,
    prompt_eval_duration: 0.5e9,
    eval_duration: 0.5e9,
  });
});
