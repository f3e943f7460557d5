import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipBecause } from '../_skip.ts';
import {
  ANTHROPIC_TOOL,
  all,
  CALL,
  comparable,
  HANDY,
  HANDY_TEMPLATE,
  LONG_TOKENS,
  messages,
  refusal,
  story,
  TOOL,
} from './_clients-asks.ts';
import { PROXIED, startWays, type Way, type Ways } from './_conformance-ways.ts';
import { realOllamaUnavailable } from './_real-ollama.ts';

/** A real model on a busy machine with two cores. */
const TEST_MS = 60_000;

const options = { num_predict: 6, temperature: 0, seed: 1 };
const chat = { model: 'smol', messages, options };
const openaiChat = { model: 'smol', messages, max_tokens: 6, temperature: 0, seed: 1 };
const message = { model: 'smol', messages, max_tokens: 6, temperature: 0 };
const format = { type: 'json_schema', json_schema: { name: 'call', schema: CALL } } as const;

const ollamaOf = ({ url }: Way) => new Ollama({ host: url });
const openaiOf = ({ url }: Way) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'ollama', maxRetries: 0 });
const anthropicOf = ({ url }: Way) => new Anthropic({ baseURL: url, apiKey: 'ollama', maxRetries: 0 });

describe('the client libraries get from ollana what they get from the real Ollama', {
  timeout: TEST_MS,
}, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  let ways: Ways;

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    ways = await startWays();
    await ollamaOf(ways.direct).create({ model: HANDY, from: 'smol', template: HANDY_TEMPLATE });
  }, TEST_MS);
  afterAll(() => ways?.[Symbol.asyncDispose]());

  /** Asks directly and by every way; the direct answer. */
  async function same<T>(ask: (way: Way) => Promise<T>): Promise<T> {
    const direct = await ask(ways.direct);
    for (const way of ways.proxied) expect(comparable(await ask(way)), way.title).toEqual(comparable(direct));
    return direct;
  }

  const proxied = PROXIED.map(({ title }, i) => ({ title, i }));

  describe('ollama', () => {
    test('chat, whole and streamed', async () => {
      expect((await same((way) => ollamaOf(way).chat(chat))).message.content).not.toBe('');
      const parts = await same((way) => all(ollamaOf(way).chat({ ...chat, stream: true })));
      expect(parts.length).toBeGreaterThan(2);
    });

    test('generate, embed, list and show', async () => {
      await same((way) => ollamaOf(way).generate({ model: 'smol', prompt: 'Say hello.', options }));
      const { embeddings } = await same((way) =>
        ollamaOf(way).embed({ model: 'smol', input: ['one', 'two'] }),
      );
      expect(embeddings.map((vector) => vector.length)).toEqual([576, 576]);
      expect((await same((way) => ollamaOf(way).list())).models).toHaveLength(2);
      await same((way) => ollamaOf(way).ps());
      await same(async (way) => (await ollamaOf(way).show({ model: 'smol' })).details);
    });

    test('tools: a call, whole and streamed, and the refusal of a model that cannot', async () => {
      const ask = {
        ...chat,
        model: HANDY,
        options: { ...options, num_predict: 40 },
        tools: [TOOL],
        format: CALL,
      };
      const whole = await same((way) => ollamaOf(way).chat(ask));
      expect(whole.message.tool_calls).toMatchObject([{ function: { name: 'now', arguments: {} } }]);
      const parts = await same((way) => all(ollamaOf(way).chat({ ...ask, stream: true })));
      expect(parts.some((part) => part.message.tool_calls?.length === 1)).toBe(true);
      const refused = await same((way) => refusal(ollamaOf(way).chat({ ...chat, tools: [TOOL] })));
      expect(refused).toMatchObject({
        status: 400,
        message: expect.stringContaining('does not support tools'),
      });
    });

    test.each(proxied)('abort mid-stream ends the generation ($title)', async ({ i }) => {
      await ways.noticed('/api/chat', async () => {
        const ask = {
          ...chat,
          messages: story,
          options: { ...options, num_predict: LONG_TOKENS },
          stream: true,
        } as const;
        const stream = await ollamaOf(ways.proxied[i]!).chat(ask);
        await expect(
          (async () => {
            for await (const _ of stream) stream.abort();
          })(),
        ).rejects.toThrow(/abort/i);
      });
    });
  });

  describe('openai', () => {
    test('chat, whole and streamed', async () => {
      const whole = await same((way) => openaiOf(way).chat.completions.create(openaiChat));
      expect(whole.choices[0]!.message.content).not.toBe('');
      const ask = { ...openaiChat, stream: true, stream_options: { include_usage: true } } as const;
      const parts = await same((way) => all(openaiOf(way).chat.completions.create(ask)));
      expect(parts.at(-1)!.usage!.completion_tokens).toBe(6);
    });

    test('responses, whole and streamed', async () => {
      const ask = { model: 'smol', input: 'Say hello.', max_output_tokens: 6, temperature: 0 };
      expect((await same((way) => openaiOf(way).responses.create(ask))).output_text).not.toBe('');
      const events = await same((way) => all(openaiOf(way).responses.create({ ...ask, stream: true })));
      expect(events.at(-1)!.type).toBe('response.completed');
    });

    test('embed, list and look-up', async () => {
      const ask = { model: 'smol', input: ['one', 'two'] };
      expect((await same((way) => openaiOf(way).embeddings.create(ask))).data).toHaveLength(2);
      expect(await same((way) => all(openaiOf(way).models.list()))).toHaveLength(2);
      await same((way) => openaiOf(way).models.retrieve('smol'));
      const missing = await same((way) => refusal(openaiOf(way).models.retrieve('nobody-has-this')));
      expect(missing).toMatchObject({ type: 'NotFoundError', status: 404 });
    });

    test('tools: a streamed call, and the refusal of a model that cannot', async () => {
      const ask = { ...openaiChat, model: HANDY, max_tokens: 40, tools: [TOOL], response_format: format };
      const parts = await same((way) => all(openaiOf(way).chat.completions.create({ ...ask, stream: true })));
      const calls = parts.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
      expect(calls).toMatchObject([{ function: { name: 'now', arguments: '{}' } }]);
      expect(parts.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls');
      const refused = await same((way) =>
        refusal(openaiOf(way).chat.completions.create({ ...openaiChat, tools: [TOOL] })),
      );
      expect(refused).toMatchObject({ type: 'BadRequestError', status: 400 });
    });

    test.each(proxied)('abort mid-stream ends the generation ($title)', async ({ i }) => {
      await ways.noticed('/v1/chat/completions', async () => {
        const ask = { ...openaiChat, messages: story, max_tokens: LONG_TOKENS, stream: true } as const;
        for await (const _ of await openaiOf(ways.proxied[i]!).chat.completions.create(ask)) break;
      });
    });
  });

  describe('@anthropic-ai/sdk', () => {
    test('message, whole and streamed', async () => {
      const whole = await same((way) => anthropicOf(way).messages.create(message));
      expect(whole.content[0]).toMatchObject({ type: 'text' });
      const events = await same((way) => all(anthropicOf(way).messages.create({ ...message, stream: true })));
      expect(events.at(-1)!.type).toBe('message_stop');
    });

    test('tools: an answer of a model that can, and the refusal of one that cannot', async () => {
      const ask = { ...message, tools: [ANTHROPIC_TOOL] };
      await same((way) => anthropicOf(way).messages.create({ ...ask, model: HANDY }));
      const refused = await same((way) => refusal(anthropicOf(way).messages.create(ask)));
      expect(refused).toMatchObject({ type: 'BadRequestError', status: 400 });
    });

    test('the refusal of a model that nobody has', async () => {
      const refused = await same((way) =>
        refusal(anthropicOf(way).messages.create({ ...message, model: 'nobody-has-this' })),
      );
      expect(refused).toMatchObject({ type: 'NotFoundError', status: 404 });
    });

    test.each(proxied)('abort mid-stream ends the generation ($title)', async ({ i }) => {
      await ways.noticed('/v1/messages', async () => {
        const ask = { ...message, messages: story, max_tokens: LONG_TOKENS, stream: true } as const;
        const stream = await anthropicOf(ways.proxied[i]!).messages.create(ask);
        for await (const event of stream) if (event.type === 'content_block_delta') break;
      });
    });
  });
});
