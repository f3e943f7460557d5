import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { peek } from '../src/ollama/peek.ts';
import { prefixMarks } from '../src/ollama/prefix-hashes.ts';
import { scanWork } from '../src/ollama/work-scan.ts';

const scan = (body: string) => scanWork(Buffer.from(body));

describe('how much work a request is', () => {
  it.each([
    { body: '{"options":{"num_predict":5,"num_ctx":4096}}', limit: 5, ctx: 4096 },
    { body: '{"options":{"num_predict":-1,"num_ctx":0}}', limit: undefined, ctx: undefined },
    { body: '{"options":{"num_predict":-2},"max_tokens":7}', limit: 7, ctx: undefined },
    { body: '{"options":{"num_predict":1e999,"num_ctx":"8"}}', limit: undefined, ctx: undefined },
    { body: '{"options":null,"max_tokens":null}', limit: undefined, ctx: undefined },
    { body: '{"options":[1],"max_completion_tokens":8}', limit: 8, ctx: undefined },
    { body: '{"options":"num_ctx","max_output_tokens":9}', limit: 9, ctx: undefined },
    { body: '{"MAX_TOKENS":7,"messages":[{"max_tokens":1}]}', limit: 7, ctx: undefined },
    { body: '{"num_ctx":4096,"num_predict":5}', limit: undefined, ctx: undefined },
    { body: '{"max_tokens":7', limit: undefined, ctx: undefined },
    { body: '', limit: undefined, ctx: undefined },
  ])('$body: $limit of the answer, context $ctx', ({ body, limit, ctx }) => {
    expect(scan(body)).toMatchObject({ maxOutputTokens: limit, numCtx: ctx });
  });

  it.each([
    { body: { messages: [{ role: 'user', content: 'a'.repeat(4000) }] }, tokens: 1000 },
    { body: { prompt: 'a'.repeat(4000) }, tokens: 1000 },
    { body: { prompt: ['a'.repeat(2000), 'b'.repeat(2000)] }, tokens: 1000 },
    { body: { input: ['a'.repeat(2000), 'b'.repeat(2000)] }, tokens: 1000 },
    { body: { input: 'a'.repeat(4000) }, tokens: 1000 },
    { body: { messages: Array(2 ** 17 + 1).fill({}) }, tokens: 3 * 2 ** 15 },
    { body: { model: 'a'.repeat(4000) }, tokens: 0 },
  ])('counts the tokens of its prompt', ({ body, tokens }) => {
    const { promptTokens } = scanWork(Buffer.from(JSON.stringify(body)));
    expect(promptTokens).toBeGreaterThanOrEqual(tokens);
    expect(promptTokens).toBeLessThanOrEqual(tokens * 1.01);
  });

  it('has the marks of the prompt', () => {
    const body = Buffer.from('{"system":"x","messages":[{"role":"user","content":"a"}],"max_tokens":1}');
    expect(scanWork(body).marks).toEqual(prefixMarks(body));
    expect(scanWork(body).marks).toHaveLength(2);
  });

  it('is nothing for a body that could not be read', () => {
    const nothing = { marks: [], promptTokens: 0, maxOutputTokens: undefined, numCtx: undefined };
    expect(scanWork(undefined)).toEqual(nothing);
    expect(scan('{"messages":[{"role":"user"')).toEqual(nothing);
  });
});

describe('the decoded body', () => {
  const decoder = new BodyDecoder({ clock: systemClock });
  const json = Buffer.from('{"model":"x"}');
  it.each([
    { name: 'plain', headers: {}, body: json, plain: json },
    { name: 'compressed', headers: { 'content-encoding': 'gzip' }, body: gzipSync(json), plain: json },
    { name: 'broken', headers: { 'content-encoding': 'gzip' }, body: json, plain: undefined },
    { name: 'empty', headers: {}, body: Buffer.alloc(0), plain: undefined },
    {
      name: 'a form',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: Buffer.from('--x--\r\n'),
      plain: undefined,
    },
  ])('$name', async ({ headers, body, plain }) => {
    expect((await peek(headers, body, decoder)).plain).toEqual(plain);
  });
});
