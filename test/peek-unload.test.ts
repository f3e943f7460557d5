import { expect, it } from 'vitest';
import { peekJson } from '../src/ollama/peek.ts';
import { isUnload } from '../src/ollama/unload.ts';

const asks = (path: string, body: string) => isUnload(path, peekJson(Buffer.from(body)));

it.each(['0', '0.0', '-0', '0e5', '1e-12', '"0"', '"-0"', '"0s"', '"0m0s"', '"0.0h"', '".0ms"', '"+0µs"'])(
  'keep_alive %s without content unloads',
  (keepAlive) => {
    expect(asks('/api/generate', `{"model":"a","keep_alive":${keepAlive}}`)).toBe(true);
  },
);

it.each([
  '1',
  '-1',
  '1e-9',
  '5',
  '"1s"',
  '"0s1ms"',
  '"-1m"',
  '"0 s"',
  '"s"',
  '""',
  '"."',
  'null',
  'false',
  '[0]',
  '{}',
])('keep_alive %s does not unload', (keepAlive) => {
  expect(asks('/api/generate', `{"model":"a","keep_alive":${keepAlive}}`)).toBe(false);
});

it.each([
  ['/api/generate', '{"model":"a","prompt":"","keep_alive":0,"stream":false}', true],
  ['/api/generate', '{"name":"a","keep_alive":0}', true],
  ['/api/generate', '{"model":"a","prompt":"hi","keep_alive":0}', false],
  ['/api/generate', `{"model":"a","prompt":"${'x'.repeat(100_000)}","keep_alive":0}`, false],
  ['/api/generate', '{"model":"a","messages":[1],"keep_alive":0}', true],
  ['/api/generate', '{"model":"a"}', false],
  ['/api/generate', '{"keep_alive":0}', false],
  ['/api/generate', '{"model":"a","keep_alive":0', false],
  ['/api/generate', '{"model":"a","keep_alive":0,"prompt":"the rest is still to co', false],
  ['/api/chat', '{"model":"a","messages":[],"keep_alive":0}', true],
  ['/api/chat', '{"model":"a","messages":null,"keep_alive":"0s"}', true],
  ['/api/chat', '{"model":"a","keep_alive":0}', true],
  ['/api/chat', '{"model":"a","messages":[{"role":"user","content":""}],"keep_alive":0}', false],
  ['/api/embed', '{"model":"a","input":[],"keep_alive":0}', true],
  ['/api/embed', '{"model":"a","input":"x","keep_alive":0}', false],
  ['/api/embeddings', '{"model":"a","prompt":"","keep_alive":0}', true],
  ['/v1/chat/completions', '{"model":"a","keep_alive":0}', false],
  ['/api/show', '{"model":"a","keep_alive":0}', false],
])('%s %.70s unloads: %s', (path, body, unload) => {
  expect(asks(path, body)).toBe(unload);
});

it('a long duration of zeros is read in no time', () => {
  const started = performance.now();
  expect(asks('/api/generate', `{"model":"a","keep_alive":"${'0'.repeat(65_000)}"}`)).toBe(false);
  expect(asks('/api/generate', `{"model":"a","keep_alive":"${'0s'.repeat(32_000)}x"}`)).toBe(false);
  expect(performance.now() - started).toBeLessThan(1000);
});
