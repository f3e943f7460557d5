import { describe, expect, it } from 'vitest';
import { isCloudModel, modelKey } from '../src/ollama/names.ts';
import { isKnownPath, routeOf } from '../src/ollama/routes.ts';

describe('spellings of a model name', () => {
  it.each([
    ['llama3', 'llama3:latest'],
    ['llama3', 'LLaMA3'],
    ['llama3', 'library/llama3'],
    ['llama3', 'registry.ollama.ai/library/llama3:latest'],
    ['llama3:', 'llama3'],
    [' llama3 ', 'llama3'],
    ['me/m:Q4', 'registry.ollama.ai/me/m:q4'],
    ['localhost:5000/me/m', 'localhost:5000/me/m:latest'],
    ['https://registry.ollama.ai/library/llama3', 'llama3'],
    ['hf.co/bartowski/Llama:Q4_K_M', 'HF.co/bartowski/llama:q4_k_m'],
  ])('%s and %s are one model', (a, b) => {
    expect(modelKey(a)).toBe(modelKey(b));
  });

  it.each([
    ['llama3', 'llama3:8b'],
    ['llama3', 'me/llama3'],
    ['llama3', 'llama'],
    ['me/m', 'you/m'],
    ['hf.co/me/m', 'me/m'],
    ['localhost:5000/m', 'localhost:5001/m'],
  ])('%s and %s are two', (a, b) => {
    expect(modelKey(a)).not.toBe(modelKey(b));
  });

  it.each(['', ':', '/', '::', 'a/b/c/d/e', '../../x', '\0', 'x'.repeat(10_000), '💥:🦙'])(
    '%j is harmless',
    (name) => {
      expect(modelKey(name)).toBeTypeOf('string');
      expect(modelKey(name)).toBe(modelKey(name));
    },
  );

  it.each(['kimi-k2:cloud', 'gpt-oss:120b-cloud', 'me/x:CLOUD', 'x-cloud', ' x:cloud '])(
    '%s runs on ollama.com',
    (name) => {
      expect(isCloudModel(name)).toBe(true);
    },
  );

  it.each(['cloud', 'cloudy:7b', 'x:cloud-7b', 'cloud/x', 'x:local', 'soundcloud'])(
    '%s runs here',
    (name) => {
      expect(isCloudModel(name)).toBe(false);
    },
  );
});

describe('the route of a request', () => {
  it.each([
    ['POST', '/api/chat', 'inference', 'ollama'],
    ['POST', '/api/chat?x=1', 'inference', 'ollama'],
    ['POST', '/v1/chat/completions', 'inference', 'openai'],
    ['POST', '/v1/responses', 'inference', 'responses'],
    ['POST', '/v1/messages', 'inference', 'anthropic'],
    ['GET', '/v1/models', 'aggregate', 'openai'],
    ['GET', '/v1/models/me/x:7b', 'holder', 'openai'],
    ['HEAD', '/', 'liveness', 'ollama'],
    ['POST', '/api/blobs/sha256:0', 'pinned', 'ollama'],
    ['DELETE', '/api/delete', 'broadcast', 'ollama'],
    ['POST', '/api/me', 'identity', 'ollama'],
    ['GET', '/api/chat', 'unknown', 'ollama'],
    ['POST', '/api/blobs/', 'unknown', 'ollama'],
    ['POST', '/v1/messages/count_tokens', 'unknown', 'anthropic'],
    ['POST', '/v1/nothing', 'unknown', 'openai'],
    ['POST', '//api/chat', 'unknown', 'ollama'],
    ['POST', '/api/chat/', 'unknown', 'ollama'],
    ['GET', '/__proto__', 'unknown', 'ollama'],
  ])('%s %s is %s, told in %s', (method, target, cls, protocol) => {
    expect(routeOf(method, target)).toMatchObject({ class: cls, protocol });
  });

  it('is known by its path under any method', () => {
    expect(['/api/chat', '/', '/v1/models/x', '/api/blobs/x'].map(isKnownPath)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['/api', '/api/chat/', '/v1', '/x'].map(isKnownPath)).toEqual([false, false, false, false]);
  });
});
