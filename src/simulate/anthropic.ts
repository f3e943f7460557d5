import { errorBody } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { listOf, numberOf, parseBody, textOf } from './fields.ts';
import { type Dialect, type Generation, generate, wantOf } from './generation.ts';
import { contentOf, promptOf } from './prompt.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { json } from './reply.ts';
import type { World } from './world.ts';

/** POST /v1/messages. */
export function postMessages(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body, 'EOF');
  const shown = textOf(request.model);
  if (shown === '') throw new Refusal(400, 'model is required');
  const maxTokens = numberOf(request.max_tokens);
  if (maxTokens === undefined || maxTokens <= 0) {
    throw new Refusal(400, 'max_tokens is required and must be positive');
  }
  if (listOf(request.messages).length === 0) throw new Refusal(400, 'messages is required');
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  if (model.embedding) throw new Refusal(400, `"${shown}" does not support chat`);
  const job = {
    model,
    want: wantOf(model, {}, undefined),
    prompt: promptOf(request.messages, contentOf(request.system).text),
    maxTokens,
    streamed: request.stream === true,
  };
  return generate(world, exchange, job, dialectOf(shown), (message) =>
    json(exchange, 500, errorBody(exchange.path, 500, message)),
  );
}

function dialectOf(shown: string): Dialect {
  const event = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const delta = (escaped: string) =>
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${escaped}"}}\n\n`;
  const message = (content: readonly object[], reason: string | null, usage: object) => ({
    id: 'msg_simulated',
    type: 'message',
    role: 'assistant',
    model: shown,
    content,
    stop_reason: reason,
    stop_sequence: null,
    usage,
  });
  return {
    type: 'text/event-stream',
    open: (generation) => [
      event('message_start', {
        message: message([], null, { input_tokens: generation.promptTokens, output_tokens: 0 }),
      }),
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ],
    token: delta,
    closing: 3,
    close: (generation) => [
      event('content_block_stop', { index: 0 }),
      event('message_delta', {
        delta: { stop_reason: stopReason(generation), stop_sequence: null },
        usage: usageOf(generation),
      }),
      event('message_stop', {}),
    ],
    whole: (generation, text) =>
      message([{ type: 'text', text }], stopReason(generation), usageOf(generation)),
    failure: () => delta(''),
  };
}

function stopReason(generation: Generation): string {
  return generation.reason === 'length' ? 'max_tokens' : 'end_turn';
}

function usageOf({ promptTokens, count }: Generation) {
  return { input_tokens: promptTokens, output_tokens: count };
}
