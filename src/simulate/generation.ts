import { sleep } from '../clock.ts';
import type { Exchange } from './exchange.ts';
import { type Fields, fieldsOf, numberOf } from './fields.ts';
import type { GpuRun } from './gpu-clock.ts';
import { DEFAULT_KEEP_ALIVE_MS, parseKeepAlive } from './keep-alive.ts';
import type { StoredModel } from './models.ts';
import type { Prompt } from './prompt.ts';
import { wholeAnswer } from './reply.ts';
import type { Want } from './runner.ts';
import type { Lease } from './scheduler.ts';
import { stream } from './stream.ts';
import { countTokens, type TokenList } from './tokens.ts';
import type { World } from './world.ts';

/** Tokens that a picture takes in a prompt; LLaVA's number. */
const IMAGE_TOKENS = 576;
const RELOADING_OPTIONS = ['num_gpu', 'num_batch', 'main_gpu', 'use_mmap', 'num_thread', 'draft_num_predict'];

/** What is known of a generation when its first token is due. */
export interface Generation {
  readonly tokens: TokenList;
  /** Tokens that will be given, at most all of the answer. */
  readonly count: number;
  readonly reason: 'stop' | 'length';
  readonly promptTokens: number;
  /** Ollama's counters, in nanoseconds of real time and tokens, as of now. */
  counters(): Counters;
}

export interface Counters {
  readonly total_duration: number;
  readonly load_duration: number;
  readonly prompt_eval_count: number;
  readonly prompt_eval_duration: number;
  readonly eval_count: number;
  readonly eval_duration: number;
}

/** How one API writes a generation. */
export interface Dialect {
  readonly type: string;
  /** Lines before the first token. */
  open(generation: Generation): readonly string[];
  /** The line of one token, its text given as it stands inside a JSON string. */
  token(escaped: string): string;
  /** How many lines the proper ending has. */
  readonly closing: number;
  /** The proper ending, made when it is due, since it carries the counters. */
  close(generation: Generation): readonly string[];
  /** The answer to a request that does not stream. */
  whole(generation: Generation, text: string): unknown;
  /** What Ollama writes when the runner fails mid-stream. */
  failure(message: string): string;
}

export interface Job {
  readonly model: StoredModel;
  readonly want: Want;
  readonly prompt: Prompt;
  /** Most tokens to give; undefined or not above 0: no limit. */
  readonly maxTokens: number | undefined;
  readonly streamed: boolean;
}

/** What a request's options and keep_alive ask of the runner. */
export function wantOf(model: StoredModel, options: Fields, keepAlive: unknown): Want {
  return {
    numCtx: numberOf(options.num_ctx) || model.contextLength,
    optionsKey: RELOADING_OPTIONS.map((name) => String(options[name] ?? '')).join(),
    keepAliveMs: parseKeepAlive(keepAlive) ?? DEFAULT_KEEP_ALIVE_MS,
  };
}

/** Loads, queues, reads the prompt, and answers in the given dialect; silent until the first token. */
export async function generate(
  world: World,
  exchange: Exchange,
  job: Job,
  dialect: Dialect,
  refuse: (message: string) => void,
): Promise<void> {
  const { signal } = exchange;
  const asked = world.clock.now();
  const lease = await world.scheduler.acquire(job.model, job.want, signal);
  try {
    const run = world.gpu.run();
    try {
      await answer(world, exchange, job, lease, asked, run, dialect, refuse);
    } finally {
      run.end();
    }
    // A stalled runner keeps its slot for as long as its client waits.
    if (exchange.fault?.kind === 'stall') await aborted(signal);
  } finally {
    lease.release();
  }
}

async function answer(
  world: World,
  exchange: Exchange,
  job: Job,
  lease: Lease,
  asked: number,
  run: GpuRun,
  dialect: Dialect,
  refuse: (message: string) => void,
): Promise<void> {
  const { signal } = exchange;
  const generation = await prefill(world, job, lease, asked, signal);
  if (signal.aborted) return;
  const text = generation.tokens.texts.slice(0, generation.count).join('');
  lease.runner.cache.remember(job.prompt.text + text);
  const ms = (1000 * generation.count) / job.model.tokensPerSecond;
  // The tokens are made whether or not the reader takes them: a slow one does not keep the GPU.
  run.endAfter(ms);
  if (job.streamed) return streamed(world, exchange, job, generation, dialect, refuse);
  if (ms > 0) await sleep(world.gpu, ms, signal);
  if (world.faults.frozen) await world.faults.thawed(signal);
  if (!signal.aborted) await wholeAnswer(exchange, dialect.whole(generation, text), refuse);
}

async function prefill(
  world: World,
  job: Job,
  lease: Lease,
  asked: number,
  signal: AbortSignal,
): Promise<Generation> {
  const { clock } = world;
  const { prompt, model } = job;
  const begun = clock.now();
  const promptTokens = countTokens(prompt.text) + prompt.images * IMAGE_TOKENS;
  const known = lease.runner.cache.match(prompt.text);
  const unread = Math.max(
    1,
    countTokens(prompt.text.slice(known)) + (known === 0 ? prompt.images : 0) * IMAGE_TOKENS,
  );
  const readMs = (1000 * unread) / model.prefillPerSecond;
  if (readMs > 0) await sleep(world.gpu, readMs, signal);
  const read = clock.now();
  const answer = world.answer(prompt.question);
  const rest =
    prompt.begun !== '' && answer.startsWith(prompt.begun) ? answer.slice(prompt.begun.length) : answer;
  const tokens = world.tokens.of(rest);
  const limit = job.maxTokens !== undefined && job.maxTokens > 0 ? job.maxTokens : Number.POSITIVE_INFINITY;
  const count = Math.min(tokens.texts.length, limit);
  return {
    tokens,
    count,
    reason: limit < tokens.texts.length ? 'length' : 'stop',
    promptTokens,
    counters: () => ({
      total_duration: nanoseconds(clock.now() - asked),
      load_duration: nanoseconds(lease.loadMs),
      prompt_eval_count: promptTokens,
      prompt_eval_duration: nanoseconds(read - begun),
      eval_count: count,
      eval_duration: nanoseconds(clock.now() - read),
    }),
  };
}

async function streamed(
  world: World,
  exchange: Exchange,
  job: Job,
  generation: Generation,
  dialect: Dialect,
  refuse: (message: string) => void,
): Promise<void> {
  const { fault } = exchange;
  // Before the first line Ollama still has the status line to say it with.
  if (fault?.kind === 'error-line' && fault.afterLines === 0) return refuse(fault.message);
  const open = dialect.open(generation);
  const { escaped } = generation.tokens;
  const endsAt = open.length + generation.count;
  let close: readonly string[] | undefined;
  const count = endsAt + dialect.closing;
  const paceMs = 1000 / job.model.tokensPerSecond;
  const frames = {
    type: dialect.type,
    count,
    endsAt,
    dueMs: (i: number) => Math.min(Math.max(i - open.length, 0), generation.count) * paceMs,
    line: (i: number) => {
      if (i < open.length) return open[i] ?? '';
      if (i < endsAt) return dialect.token(escaped[i - open.length] ?? '');
      close ??= dialect.close(generation);
      return close[i - endsAt] ?? '';
    },
    failure: (message: string) => dialect.failure(message),
  };
  await stream(exchange, frames, world.gpu, world.faults);
}

/** Whole nanoseconds, at least one: clients divide by them. */
function nanoseconds(ms: number): number {
  return Math.max(1, Math.round(ms * 1e6));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The `options` object of a native request. */
export function optionsOf(request: Fields): Fields {
  return fieldsOf(request.options);
}
