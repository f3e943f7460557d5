import { expect, test } from 'vitest';
import { readCounters } from '../src/ollama/counters.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat } from './_simulate-client.ts';

const PATHS = [
  ['ollama', '/api/chat', {}],
  ['openai', '/v1/chat/completions', { stream_options: { include_usage: true } }],
  ['anthropic', '/v1/messages', { max_tokens: 5000 }],
  ['responses', '/v1/responses', { input: 'a question of five words' }],
] as const;

test.each(PATHS.flatMap((row) => [true, false].map((stream) => [...row, stream] as const)))(
  'real bytes: %s %s %o streamed %s, cut anywhere',
  async (protocol, path, more, stream) => {
    await using ollama = await startSimulatedOllama({ answer: 'word "usage":{} '.repeat(1000) });
    const { text, headers } = await ask(ollama, path, chat('simulated', 'hi', { stream, ...more }));
    const contentType = headers['content-type'];
    const framing = !stream ? 'none' : protocol === 'ollama' ? 'ndjson' : 'sse';
    const read = (tail: string) => readCounters({ protocol, framing, tail, contentType });
    const counters = read(text);
    expect(counters?.outputTokens).toBeGreaterThan(1000);
    expect(counters?.promptTokens).toBeGreaterThan(0);
    if (protocol === 'ollama') expect(counters?.outputMs).toBeLessThan(60_000);
    expect(read(text.slice(-8192))).toEqual(counters);
    for (let length = 0; length < 700; length++) {
      read(text.slice(-length));
      read(text.slice(-2000, -length || undefined));
    }
  },
);

test.each([
  ['', undefined],
  ['{"eval_count":-1}', undefined],
  ['{"eval_count":"9"}', undefined],
  ['{"eval_count":1e999}', undefined],
  ['{"done":false,"eval_count":9}', undefined],
  ['{"done":true,"eval_count":9,"eval_duration":2000000}', { outputTokens: 9, outputMs: 2 }],
  ['3,4],"load_duration":5000000,"eval_count":9}', { loadMs: 5, outputTokens: 9 }],
])('%s', (tail, expected) => {
  expect(readCounters({ protocol: 'ollama', framing: 'ndjson', tail })).toEqual(expected);
});
