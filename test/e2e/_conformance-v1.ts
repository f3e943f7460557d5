import { gzipSync } from 'node:zlib';
import { gone, LIMIT, messages, model, WEATHER } from './_conformance-asks.ts';
import { type Case, cases } from './_conformance-case.ts';

const same = { temperature: 0, seed: 1 };
const chat = { model, messages, max_tokens: LIMIT, ...same };
const complete = { model, prompt: 'Say hello.', max_tokens: LIMIT, ...same };
const respond = { model, input: 'Say hello.', max_output_tokens: LIMIT, temperature: 0 };
const message = { model, messages, max_tokens: LIMIT, temperature: 0 };
const stream = { stream: true };
const ANTHROPIC: readonly (readonly [string, string])[] = [
  ['x-api-key', 'ollama'],
  ['anthropic-version', '2023-06-01'],
];
const FORM = { headers: [['Content-Type', 'multipart/form-data; boundary=b']] } as const;
const form = (name: string, value: string) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--b--\r\n`;

/** `text` as one zstd frame of a single stored block, which needs no compressor: Node has one only since 22.15. */
function zstd(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(9);
  head.writeUInt32LE(0xfd2fb528, 0);
  head.writeUInt8(0xa0, 4); // Single segment, four bytes of content size.
  head.writeUInt32LE(bytes.length, 5);
  const block = Buffer.alloc(3);
  block.writeUIntLE((bytes.length << 3) | 1, 0, 3); // The last block, stored.
  return Buffer.concat([head, block, bytes]);
}

/** The routes of other makers' protocols. */
export const V1: readonly Case[] = cases([
  [200, 'v1 chat', 'POST', '/v1/chat/completions', chat],
  [200, 'v1 chat, streamed', 'POST', '/v1/chat/completions', { ...chat, ...stream }],
  [
    200,
    'v1 chat, streamed with usage',
    'POST',
    '/v1/chat/completions',
    { ...chat, ...stream, stream_options: { include_usage: true } },
  ],
  [
    200,
    'v1 chat with log probabilities',
    'POST',
    '/v1/chat/completions',
    { ...chat, logprobs: true, top_logprobs: 1 },
    { compare: 'numbers' },
  ],
  [
    200,
    'v1 chat as JSON',
    'POST',
    '/v1/chat/completions',
    { ...chat, response_format: { type: 'json_object' } },
  ],
  [
    200,
    'v1 chat in parts',
    'POST',
    '/v1/chat/completions',
    { ...chat, messages: [{ role: 'user', content: [{ type: 'text', text: 'Say hello.' }] }] },
  ],
  [
    400,
    'v1 chat with tools, which the model cannot',
    'POST',
    '/v1/chat/completions',
    { ...chat, tools: [WEATHER] },
  ],
  [
    400,
    'v1 chat with an image at an address',
    'POST',
    '/v1/chat/completions',
    {
      ...chat,
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://127.0.0.1:9/x.png' } }] },
      ],
    },
  ],
  [404, 'v1 chat by a model nobody has', 'POST', '/v1/chat/completions', { ...chat, model: gone }],
  [
    404,
    'v1 chat by a model nobody has, streamed',
    'POST',
    '/v1/chat/completions',
    { ...chat, ...stream, model: gone },
  ],
  [400, 'v1 chat without messages', 'POST', '/v1/chat/completions', { model }],
  [400, 'v1 chat by no model', 'POST', '/v1/chat/completions', { messages }],
  [400, 'v1 chat without a body', 'POST', '/v1/chat/completions'],
  [400, 'v1 chat with half a body', 'POST', '/v1/chat/completions', '{"model":'],
  [400, 'v1 chat of the wrong type', 'POST', '/v1/chat/completions', { ...chat, temperature: 'hot' }],
  [
    400,
    'v1 chat in zstd',
    'POST',
    '/v1/chat/completions',
    zstd(JSON.stringify(chat)),
    { headers: [['Content-Encoding', 'zstd']] },
  ],
  [
    400,
    'v1 chat in gzip, which Ollama does not unpack',
    'POST',
    '/v1/chat/completions',
    gzipSync(JSON.stringify(chat)),
    { headers: [['Content-Encoding', 'gzip']] },
  ],
  [200, 'v1 chat in chunks', 'POST', '/v1/chat/completions', chat, { chunked: 11 }],
  [307, 'v1 chat with a slash too many', 'POST', '/v1/chat/completions/', chat],
  [200, 'v1 completion', 'POST', '/v1/completions', complete],
  [200, 'v1 completion, streamed', 'POST', '/v1/completions', { ...complete, ...stream }],
  [200, 'v1 completion of an empty prompt', 'POST', '/v1/completions', { ...complete, prompt: '' }],
  [
    400,
    'v1 completion with a suffix, which the model cannot',
    'POST',
    '/v1/completions',
    { ...complete, suffix: 'end' },
  ],
  [404, 'v1 completion by a model nobody has', 'POST', '/v1/completions', { ...complete, model: gone }],
  [400, 'v1 completion without a body', 'POST', '/v1/completions'],
  [200, 'v1 embeddings', 'POST', '/v1/embeddings', { model, input: 'one' }, { compare: 'numbers' }],
  [
    200,
    'v1 embeddings of a list',
    'POST',
    '/v1/embeddings',
    { model, input: ['one', 'two'] },
    { compare: 'numbers' },
  ],
  [
    200,
    'v1 embeddings as base64',
    'POST',
    '/v1/embeddings',
    { model, input: 'one', encoding_format: 'base64' },
    { compare: 'numbers' },
  ],
  [400, 'v1 embeddings of nothing', 'POST', '/v1/embeddings', { model }],
  [
    400,
    'v1 embeddings in a format that is none',
    'POST',
    '/v1/embeddings',
    { model, input: 'one', encoding_format: 'hex' },
  ],
  [404, 'v1 embeddings by a model nobody has', 'POST', '/v1/embeddings', { model: gone, input: 'one' }],
  [200, 'v1 response', 'POST', '/v1/responses', respond],
  [200, 'v1 response, streamed', 'POST', '/v1/responses', { ...respond, ...stream }],
  [
    200,
    'v1 response of several items',
    'POST',
    '/v1/responses',
    { ...respond, instructions: 'Be short.', input: [{ role: 'user', content: 'Say hello.' }] },
  ],
  [
    200,
    'v1 response in zstd, as Codex sends it',
    'POST',
    '/v1/responses',
    zstd(JSON.stringify(respond)),
    { headers: [['Content-Encoding', 'zstd']] },
  ],
  [
    400,
    'v1 response in broken zstd',
    'POST',
    '/v1/responses',
    '(\xb5/\xfdnonsense',
    { headers: [['Content-Encoding', 'zstd']] },
  ],
  [
    404,
    'v1 response in zstd by a model nobody has',
    'POST',
    '/v1/responses',
    zstd(JSON.stringify({ ...respond, model: gone })),
    { headers: [['Content-Encoding', 'zstd']] },
  ],
  [404, 'v1 response by a model nobody has', 'POST', '/v1/responses', { ...respond, model: gone }],
  [400, 'v1 response without a body', 'POST', '/v1/responses'],
  [404, 'v1 response by its id', 'GET', '/v1/responses/resp_1'],
  [200, 'v1 message', 'POST', '/v1/messages', message, { headers: ANTHROPIC }],
  [200, 'v1 message, streamed', 'POST', '/v1/messages', { ...message, ...stream }, { headers: ANTHROPIC }],
  [
    200,
    'v1 message with a system text',
    'POST',
    '/v1/messages',
    { ...message, system: [{ type: 'text', text: 'Be short.' }] },
    { headers: ANTHROPIC },
  ],
  [
    200,
    'v1 message with a query, as Claude Code sends it',
    'POST',
    '/v1/messages?beta=true',
    message,
    { headers: ANTHROPIC },
  ],
  [
    400,
    'v1 message with tools, which the model cannot',
    'POST',
    '/v1/messages',
    { ...message, tools: [{ name: 'weather', input_schema: { type: 'object', properties: {} } }] },
  ],
  [404, 'v1 message by a model nobody has', 'POST', '/v1/messages', { ...message, model: gone }],
  [400, 'v1 message without a limit', 'POST', '/v1/messages', { model, messages }],
  [400, 'v1 message by no model', 'POST', '/v1/messages', { messages, max_tokens: LIMIT }],
  [400, 'v1 message without a body', 'POST', '/v1/messages'],
  [400, 'v1 message with half a body', 'POST', '/v1/messages', '{"model":'],
  [
    404,
    'v1 transcription, which this version lacks',
    'POST',
    '/v1/audio/transcriptions',
    form('model', model),
    FORM,
  ],
  [400, 'v1 image by a model that cannot', 'POST', '/v1/images/generations', { prompt: 'a boat' }],
  [
    404,
    'v1 image by a model nobody has',
    'POST',
    '/v1/images/generations',
    { model: gone, prompt: 'a boat' },
  ],
  [400, 'v1 image edit without a body', 'POST', '/v1/images/edits'],
]);
