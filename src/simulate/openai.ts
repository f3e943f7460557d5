import { errorBody } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { type Fields, fieldsOf, listOf, numberOf, parseBody, textOf } from './fields.ts';
import { promptText } from './generate.ts';
import { type Dialect, type Generation, generate, wantOf } from './generation.ts';
import { type Prompt, promptOf } from './prompt.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { json } from './reply.ts';
import type { World } from './world.ts';

/** POST /v1/chat/completions. */
export function postChatCompletions(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body, 'EOF');
  if (listOf(request.messages).length === 0) throw new Refusal(400, "[] is too short - 'messages'");
  const maxTokens = numberOf(request.max_completion_tokens) ?? numberOf(request.max_tokens);
  return complete(world, exchange, request, promptOf(request.messages), maxTokens, {
    id: 'chatcmpl-simulated',
    object: 'chat.completion',
    chunk: 'chat.completion.chunk',
    delta: (escaped) => `"delta":{"role":"assistant","content":"${escaped}"}`,
    whole: (text) => ({ message: { role: 'assistant', content: text } }),
  });
}

/** POST /v1/completions. */
export function postCompletions(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body, 'EOF');
  const text = promptText(request.prompt);
  const prompt = { text, question: text, begun: '', images: 0 };
  return complete(world, exchange, request, prompt, numberOf(request.max_tokens), {
    id: 'cmpl-simulated',
    object: 'text_completion',
    chunk: 'text_completion',
    delta: (escaped) => `"text":"${escaped}"`,
    whole: (whole) => ({ text: whole }),
  });
}

interface Shape {
  readonly id: string;
  readonly object: string;
  readonly chunk: string;
  delta(escaped: string): string;
  whole(text: string): object;
}

function complete(
  world: World,
  exchange: Exchange,
  request: Fields,
  prompt: Prompt,
  maxTokens: number | undefined,
  shape: Shape,
): Promise<void> {
  const shown = textOf(request.model);
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  if (model.embedding) throw new Refusal(400, `"${shown}" does not support chat`);
  const created = Math.floor(world.clock.wall() / 1000);
  const usageWanted = fieldsOf(request.stream_options).include_usage === true;
  const common = (object: string) =>
    `"id":"${shape.id}","object":"${object}","created":${created},"model":${JSON.stringify(shown)},"system_fingerprint":"fp_ollama"`;
  const head = `data: {${common(shape.chunk)},"choices":[{"index":0,`;
  const chunk = (escaped: string, reason: string) =>
    `${head}${shape.delta(escaped)},"finish_reason":${reason}}]}\n\n`;
  const dialect: Dialect = {
    type: 'text/event-stream',
    open: () => [],
    token: (escaped) => chunk(escaped, 'null'),
    closing: usageWanted ? 3 : 2,
    close: (generation) => [
      chunk('', `"${generation.reason}"`),
      ...(usageWanted
        ? [`data: {${common(shape.chunk)},"choices":[],"usage":${JSON.stringify(usage(generation))}}\n\n`]
        : []),
      'data: [DONE]\n\n',
    ],
    whole: (generation, text) => ({
      ...fieldsOf(JSON.parse(`{${common(shape.object)}}`)),
      choices: [{ index: 0, ...shape.whole(text), finish_reason: generation.reason }],
      usage: usage(generation),
    }),
    // Ollama reads its runner's error object as an empty answer: the client gets an empty chunk and a clean end.
    failure: () => chunk('', 'null'),
  };
  const job = {
    model,
    want: wantOf(model, {}, undefined),
    prompt,
    maxTokens,
    streamed: request.stream === true,
  };
  return generate(world, exchange, job, dialect, (message) =>
    json(exchange, 500, errorBody(exchange.path, 500, message)),
  );
}

function usage(generation: Generation) {
  const { promptTokens, count } = generation;
  return { prompt_tokens: promptTokens, completion_tokens: count, total_tokens: promptTokens + count };
}
