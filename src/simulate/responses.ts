import { errorBody } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { numberOf, parseBody, textOf } from './fields.ts';
import { type Dialect, type Generation, generate, wantOf } from './generation.ts';
import { promptOf } from './prompt.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { json } from './reply.ts';
import type { World } from './world.ts';

const ITEM = 'msg_simulated';

/** POST /v1/responses. */
export function postResponses(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body, 'EOF');
  const shown = textOf(request.model);
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  if (model.embedding) throw new Refusal(400, `"${shown}" does not support chat`);
  const input =
    typeof request.input === 'string' ? [{ role: 'user', content: request.input }] : request.input;
  const created = Math.floor(world.clock.wall() / 1000);
  const answer = (status: string, output: readonly object[], usage: object | null) => ({
    id: 'resp_simulated',
    object: 'response',
    created_at: created,
    status,
    model: shown,
    output,
    usage,
  });
  let sequence = 0;
  const event = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...fields })}\n\n`;
  const place = { item_id: ITEM, output_index: 0, content_index: 0 };
  const delta = (escaped: string) =>
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":${sequence++},"item_id":"${ITEM}","output_index":0,"content_index":0,"delta":"${escaped}"}\n\n`;
  const dialect: Dialect = {
    type: 'text/event-stream',
    open: () => [
      event('response.created', { response: answer('in_progress', [], null) }),
      event('response.in_progress', { response: answer('in_progress', [], null) }),
      event('response.output_item.added', { output_index: 0, item: item('', 'in_progress') }),
      event('response.content_part.added', { ...place, part: part('') }),
    ],
    token: delta,
    closing: 4,
    close: (generation) => {
      const text = textOfAll(generation);
      return [
        event('response.output_text.done', { ...place, text }),
        event('response.content_part.done', { ...place, part: part(text) }),
        event('response.output_item.done', { output_index: 0, item: item(text, 'completed') }),
        event('response.completed', {
          response: answer('completed', [item(text, 'completed')], usage(generation)),
        }),
      ];
    },
    whole: (generation, text) => answer('completed', [item(text, 'completed')], usage(generation)),
    failure: () => delta(''),
  };
  const job = {
    model,
    want: wantOf(model, {}, undefined),
    prompt: promptOf(input, textOf(request.instructions)),
    maxTokens: numberOf(request.max_output_tokens),
    streamed: request.stream === true,
  };
  return generate(world, exchange, job, dialect, (message) =>
    json(exchange, 500, errorBody(exchange.path, 500, message)),
  );
}

function part(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function item(text: string, status: string) {
  return {
    id: ITEM,
    type: 'message',
    status,
    role: 'assistant',
    content: status === 'completed' ? [part(text)] : [],
  };
}

function textOfAll(generation: Generation): string {
  return generation.tokens.texts.slice(0, generation.count).join('');
}

function usage({ promptTokens, count }: Generation) {
  return { input_tokens: promptTokens, output_tokens: count, total_tokens: promptTokens + count };
}
