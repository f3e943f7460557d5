import { createHash } from 'node:crypto';
import { sleep } from '../clock.ts';
import { errorBody } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { type Fields, listOf, numberOf, parseBody, textOf } from './fields.ts';
import { optionsOf, wantOf } from './generation.ts';
import { noSuchModelTryPulling, Refusal } from './refusal.ts';
import { json, wholeAnswer } from './reply.ts';
import { countTokens } from './tokens.ts';
import type { World } from './world.ts';

const DIMENSIONS = 384;

/** POST /api/embed. */
export async function postEmbed(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const asked = world.clock.now();
  const inputs = inputsOf(request.input);
  const { loadMs, tokens } = await read(world, exchange, request, inputs);
  await answer(exchange, {
    model: textOf(request.model),
    embeddings: inputs.map((input) => vectorOf(input, numberOf(request.dimensions))),
    total_duration: Math.max(1, Math.round((world.clock.now() - asked) * 1e6)),
    load_duration: Math.round(loadMs * 1e6),
    prompt_eval_count: tokens,
  });
}

/** POST /api/embeddings, the older form with one prompt. */
export async function postEmbeddings(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const prompt = textOf(request.prompt);
  await read(world, exchange, request, prompt === '' ? [] : [prompt]);
  await answer(exchange, { embedding: prompt === '' ? [] : vectorOf(prompt) });
}

/** POST /v1/embeddings. */
export async function postV1Embeddings(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body, 'EOF');
  const inputs = inputsOf(request.input);
  if (inputs.length === 0) throw new Refusal(400, 'invalid input');
  const { tokens } = await read(world, exchange, request, inputs);
  const base64 = request.encoding_format === 'base64';
  await answer(exchange, {
    object: 'list',
    data: inputs.map((input, index) => {
      const vector = vectorOf(input, numberOf(request.dimensions));
      const embedding = base64 ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
      return { object: 'embedding', embedding, index };
    }),
    model: textOf(request.model),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** Loads the model and takes as long as reading the inputs takes; one slot reads all inputs of a request. */
async function read(world: World, exchange: Exchange, request: Fields, inputs: readonly string[]) {
  const shown = textOf(request.model);
  const model = world.models.find(shown);
  if (!model) throw noSuchModelTryPulling(shown);
  const want = wantOf(model, optionsOf(request), request.keep_alive);
  const lease = await world.scheduler.acquire(model, want, exchange.signal);
  try {
    const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0);
    const ms = (1000 * tokens) / model.prefillPerSecond;
    if (ms > 0) {
      const run = world.gpu.run();
      await sleep(world.gpu, ms, exchange.signal);
      run.end();
    }
    if (world.faults.frozen) await world.faults.thawed(exchange.signal);
    return { loadMs: lease.loadMs, tokens };
  } finally {
    lease.release();
  }
}

function answer(exchange: Exchange, value: unknown): Promise<void> {
  return wholeAnswer(exchange, value, (message) =>
    json(exchange, 500, errorBody(exchange.path, 500, message)),
  );
}

function inputsOf(input: unknown): readonly string[] {
  if (input === undefined || input === null || input === '') return [];
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) throw new Refusal(400, 'invalid input type');
  return listOf(input).map((text) => {
    if (typeof text !== 'string') throw new Refusal(400, 'invalid input type');
    return text;
  });
}

/** A unit vector made from the text alone: the same text gives the same vector on every machine. */
function vectorOf(text: string, dimensions = DIMENSIONS): readonly number[] {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0) || 1;
  const length = Math.min(Math.max(1, Math.floor(dimensions)), DIMENSIONS);
  const raw = Array.from({ length }, () => {
    // xorshift32 (Marsaglia 2003), enough to look unlike other texts' vectors.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
  const norm = Math.hypot(...raw);
  return raw.map((value) => Math.fround(value / norm));
}
