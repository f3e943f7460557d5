import { describe, expect, it } from 'vitest';
import { findContext, withContext, withModel, withoutContext } from '../src/ollama/body-edit.ts';

const bytes = (text: string) => Buffer.from(text);

describe('a context taken out', () => {
  it.each([
    ['{"options":{"num_ctx":2048}}', '{"options":{}}'],
    ['{"options":{"num_ctx":2048,"seed":1}}', '{"options":{"seed":1}}'],
    ['{"options":{"seed":1,"num_ctx":2048}}', '{"options":{"seed":1}}'],
    ['{"options":{"seed":1,"num_ctx":2048,"top_k":2}}', '{"options":{"seed":1,"top_k":2}}'],
    ['{ "options" : { "num_ctx" : 2048 , "seed" : 1 } }', '{ "options" : { "seed" : 1 } }'],
    ['{ "options" : { "seed" : 1 , "num_ctx" : 2048\n} }', '{ "options" : { "seed" : 1 } }'],
    [
      '{"a":12345678901234567890,"options":{"num_ctx":1},"é":"\\ud83d"}',
      '{"a":12345678901234567890,"options":{},"é":"\\ud83d"}',
    ],
    ['{"Options":{"x":{"num_ctx":9},"num_ctx":1}}', '{"Options":{"x":{"num_ctx":9}}}'],
  ])('%s', (before, after) => {
    const body = bytes(before);
    const asked = findContext(body);
    expect(asked && withoutContext(body, asked).toString()).toBe(after);
    JSON.parse(after);
  });

  it('can be set to another number instead', () => {
    const body = bytes('{"options":{"num_ctx":2048,"seed":1}}');
    const asked = findContext(body);
    expect(asked?.tokens).toBe(2048);
    expect(asked && withContext(body, asked, 8192).toString()).toBe('{"options":{"num_ctx":8192,"seed":1}}');
  });

  it.each([
    '',
    '[]',
    '{"options":{"num_ctx":2048}',
    '{"options":{}}',
    '{"options":[{"num_ctx":1}]}',
    '{"options":"num_ctx"}',
    '{"num_ctx":2048}',
    '{"options":{"num_ctx":"2048"}}',
    '{"options":{"num_ctx":-1}}',
    '{"options":{"NUM_CTX":2048}}',
    '{"options":{"num_ctx":1,"num_ctx":2}}',
    '{"options":{"num_ctx":1},"options":{}}',
  ])('is not looked for in %s', (text) => {
    expect(findContext(bytes(text))).toBeUndefined();
  });
});

describe('another model', () => {
  it.each([
    ['{"model":"a","x":1.0}', '{"model":"b:1","x":1.0}'],
    ['{"x":{"model":"a"}, "Model" : "a" }', '{"x":{"model":"a"}, "Model" : "b:1" }'],
    ['{"model":"a","model":"c"}', '{"model":"b:1","model":"b:1"}'],
  ])('in %s', (before, after) => {
    expect(withModel(bytes(before), 'b:1')?.toString()).toBe(after);
  });

  it.each(['', '{}', '{"model":"a"', '["model"]'])('has no place in %s', (text) => {
    expect(withModel(bytes(text), 'b')).toBeUndefined();
  });
});
