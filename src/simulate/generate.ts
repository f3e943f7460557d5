import type { Exchange } from './exchange.ts';
import { type Fields, listOf, numberOf, parseBody, textOf } from './fields.ts';
import { type Dialect, generate, optionsOf, wantOf } from './generation.ts';
import { parseKeepAlive } from './keep-alive.ts';
import type { StoredModel } from './models.ts';
import { contentOf, type Prompt, promptOf } from './prompt.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { json } from './reply.ts';
import type { World } from './world.ts';

/** POST /api/generate. */
export function postGenerate(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const shown = textOf(request.model);
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  if (model.embedding) throw new Refusal(400, `"${shown}" does not support generate`);
  const text = textOf(request.prompt);
  const prompt: Prompt = {
    text: `${textOf(request.system)}${text}`,
    question: text,
    begun: '',
    images: listOf(request.images).length,
  };
  return run(world, exchange, request, model, prompt, text === '', (content) => `"response":"${content}"`);
}

/** POST /api/chat. */
export function postChat(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const shown = textOf(request.model);
  if (shown === '') throw new Refusal(400, 'model is required');
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  if (model.embedding) throw new Refusal(400, `"${shown}" does not support chat`);
  const messages = listOf(request.messages);
  return run(
    world,
    exchange,
    request,
    model,
    promptOf(messages),
    messages.length === 0,
    (content) => `"message":{"role":"assistant","content":"${content}"}`,
  );
}

async function run(
  world: World,
  exchange: Exchange,
  request: Fields,
  model: StoredModel,
  prompt: Prompt,
  onlyLoad: boolean,
  payload: (content: string) => string,
): Promise<void> {
  const head = `{"model":${JSON.stringify(textOf(request.model))},"created_at":"`;
  const options = optionsOf(request);
  const want = wantOf(model, options, request.keep_alive);
  const bare = (reason: string) =>
    json(
      exchange,
      200,
      JSON.parse(`${head}${world.stamp()}",${payload('')},"done":true,"done_reason":"${reason}"}`),
    );
  if (onlyLoad) {
    if (parseKeepAlive(request.keep_alive) === 0) {
      world.scheduler.expire(model);
      return bare('unload');
    }
    const lease = await world.scheduler.acquire(model, want, exchange.signal);
    lease.release();
    return bare('load');
  }
  const [before, after] = payload('\0').split('\0');
  const tail = `${after},"done":false}\n`;
  const dialect: Dialect = {
    type: 'application/x-ndjson',
    open: () => [],
    token: (escaped) => `${head}${world.stamp()}",${before}${escaped}${tail}`,
    closing: 1,
    close: (generation) => [`${head}${world.stamp()}",${payload('')},"done":true${ending(generation)}}\n`],
    whole: (generation, text) =>
      JSON.parse(
        `${head}${world.stamp()}",${payload(JSON.stringify(text).slice(1, -1))},"done":true${ending(generation)}}`,
      ),
    failure: (message) => `${JSON.stringify({ error: message })}\n`,
  };
  const job = {
    model,
    want,
    prompt,
    maxTokens: numberOf(options.num_predict),
    streamed: request.stream !== false,
  };
  await generate(world, exchange, job, dialect, (message) => json(exchange, 500, { error: message }));
}

function ending(generation: Parameters<Dialect['close']>[0]): string {
  return `,"done_reason":"${generation.reason}",${JSON.stringify(generation.counters()).slice(1, -1)}`;
}

/** The text of a prompt field that may be a string or a list of them. */
export function promptText(value: unknown): string {
  return typeof value === 'string' ? value : contentOf(value).text || listOf(value).map(textOf).join('');
}
