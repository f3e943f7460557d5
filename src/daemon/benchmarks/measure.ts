import { randomBytes } from 'node:crypto';
import { type Clock, sleep } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import { figuresOf, type Sample } from '../../observe/benchmark/figures.ts';
import { answersOf } from '../../observe/benchmark/plan.ts';
import { type BenchmarkPrompt, PROMPTS } from '../../observe/benchmark/prompts.ts';
import type { BenchmarkRow } from '../../observe/benchmark/run.ts';
import type { Asked, Question } from './ask.ts';

/** What one model at one server is measured with. */
export interface MeasureParts {
  readonly clock: Clock;
  readonly rounds: number;
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Asked>;
  /** How the server is now; undefined: nobody reaches it. */
  readonly look: () => { readonly cold: boolean } | undefined;
  /** Requests that run or wait there, as far as is known, and are not `ours` (0 or 1). */
  readonly others: (ours: number) => number;
  /** Told of each answer that has ended well. */
  readonly onSample: (sample: Sample) => void;
  /** Told of each step. */
  readonly onStep: (row: BenchmarkRow) => void;
}

/** A shorter wait for a slot is the way to the server and back, ms. */
const LEAST_WAIT_MS = 100;
/** A server has told of the end of the last request by then; what still runs is somebody else's, ms. */
const SETTLE_MS = 1000;
const SETTLE_LOOK_MS = 20;
/** Whoever asks for so little that it is missed makes no difference, ms. */
const LOOK_EVERY_MS = 100;

/**
 * Measures a row's model at its server, one request after the other. Never rejects: the row that it resolves with says
 * how it ended, with the figures of what had ended by then. An abort ends it at once.
 */
export async function measure(
  begun: BenchmarkRow,
  parts: MeasureParts,
  signal: AbortSignal,
): Promise<BenchmarkRow> {
  let row = begun;
  const step = (change: Partial<BenchmarkRow>) => {
    row = { ...row, ...change };
    parts.onStep(row);
  };
  const samples: Sample[] = [];
  try {
    const server = parts.look();
    if (!server) throw new Error('it does not answer');
    step({ state: 'measuring', toAsk: answersOf(server.cold, parts.rounds) });
    for (const { prompt, cold } of questions(server.cold, parts.rounds)) {
      const mark = randomBytes(6).toString('hex');
      const sample = await sampleOf({ ...begun, prompt, mark }, cold, parts, signal);
      samples.push(sample);
      parts.onSample(sample);
      step({ asked: samples.length, ...figuresOf(samples) });
    }
    step({ state: 'done' });
  } catch (error) {
    if (signal.aborted) step({ state: 'cancelled' });
    else step({ state: 'failed', error: reasonOf(error) });
  }
  return row;
}

function* questions(cold: boolean, rounds: number): Generator<{ prompt: BenchmarkPrompt; cold: boolean }> {
  const [first] = PROMPTS;
  if (cold && first) yield { prompt: first, cold: true };
  for (let round = 0; round < rounds; round++) for (const prompt of PROMPTS) yield { prompt, cold: false };
}

async function sampleOf(
  question: Question,
  cold: boolean,
  parts: MeasureParts,
  signal: AbortSignal,
): Promise<Sample> {
  let shared = await stayBusy(parts, signal);
  const cancel = parts.clock.every(LOOK_EVERY_MS, () => {
    shared ||= parts.others(1) > 0;
  });
  try {
    const { queueMs, ...asked } = await parts.ask(question, signal);
    return { ...asked, kind: question.prompt.kind, cold, shared: shared || queueMs >= LEAST_WAIT_MS };
  } finally {
    cancel();
  }
}

/** Whether others have work at a server, which is given a moment to end what has nearly ended. */
async function stayBusy({ clock, others }: MeasureParts, signal: AbortSignal): Promise<boolean> {
  const until = clock.now() + SETTLE_MS;
  while (others(0) > 0 && !signal.aborted) {
    if (clock.now() >= until) return true;
    await sleep(clock, SETTLE_LOOK_MS, signal);
  }
  return false;
}
