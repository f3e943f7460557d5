import { describe, expect, it } from 'vitest';
import { parseRate } from '../src/config/rate.ts';
import { takeOne } from '../src/security/token-bucket.ts';
import { asked, bearer, keyFolder } from './_api-keys.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

const { add, start } = keyFolder();

describe('a key with --models', () => {
  it.each([
    ['/api/chat', chat('simulated', 'x'), 200],
    ['/api/chat', chat('Simulated:latest', 'x'), 200],
    ['/api/chat', chat('other', 'x'), 403],
    ['/v1/chat/completions', chat('other', 'x'), 403],
    ['/v1/messages', chat('other', 'x', { max_tokens: 5 }), 403],
    ['/api/chat', '{"model":"simulated","MODEL":"other"}', 403],
    ['/api/show', { model: 'other' }, 403],
    ['/v1/models/other', undefined, 403],
    ['/api/pull', { model: 'simulated' }, 403],
    ['/api/unheard-of', undefined, 403],
    ['/api/tags', undefined, 200],
  ])('asking for %s with %j gets %i… %#', async (path, body, status) => {
    const key = await add('bot', { models: ['simulated'] });
    await using cluster = await start({
      ollamas: [{ models: [{ name: 'simulated' }, { name: 'other' }] }],
    });
    const answer = await ask(cluster, path, body, bearer(key));
    expect(answer.status).toBe(status);
    if (status !== 403) return;
    expect(answer.text).toContain('key bot is for');
    if (path === '/v1/messages') expect(JSON.parse(answer.text).error.type).toBe('permission_error');
    expect(asked(cluster).some((one) => one.path === path)).toBe(false);
  });

  it('gets no other model in its place, whatever --substitute allows', async () => {
    const key = await add('bot', { models: ['wanted'] });
    await using cluster = await start({
      ollamas: [{ models: [{ name: 'wanted' }, { name: 'other' }] }],
      loaded: ['other'],
      client: { substitute: { sameFamily: false, pairs: [{ wanted: 'wanted', other: 'other' }] } },
    });
    await until(5000, 'the model to be known as loaded', () => cluster.view(0).loaded.length === 1);
    const run = (headers: Record<string, string>) =>
      ask(cluster, '/api/chat', chat('wanted', 'x'), { headers });
    expect((await run({})).headers['x-ollana-substituted']).toContain('wanted -> other');
    const answer = await run({ 'x-api-key': key });
    expect(answer.headers['x-ollana-substituted']).toBeUndefined();
    expect(JSON.parse(answer.text.split('\n')[0]!).model).toMatch(/^wanted/);
  });
});

describe('a key with --rate', () => {
  it('gets 429 with the time to wait when it has used it up, in the shape of the route', async () => {
    const key = await add('bot', { rate: parseRate('2/h') });
    const other = await add('other');
    await using cluster = await start();
    const run = (path: string, shown: string) =>
      ask(cluster, path, chat('simulated', 'x', { max_tokens: 5 }), bearer(shown));
    expect((await run('/api/chat', key)).status).toBe(200);
    expect((await run('/api/chat', key)).status).toBe(200);
    const answer = await run('/api/chat', key);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(1700);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(1800);
    expect(JSON.parse((await run('/v1/messages', key)).text).error.type).toBe('rate_limit_error');
    expect(JSON.parse((await run('/v1/chat/completions', key)).text).error.code).toBe('rate_limit_exceeded');
    expect((await run('/api/chat', other)).status).toBe(200);
    expect((await ask(cluster, '/api/chat', chat('simulated', 'x'))).status).toBe(200);
  });
});

describe('a token bucket', () => {
  it('holds a burst, fills evenly, and says to the millisecond when there is one more', () => {
    const rate = parseRate('60/min');
    let bucket: ReturnType<typeof takeOne>['bucket'] | undefined;
    let taken = 0;
    for (let i = 0; i < 100; i++) {
      const end = takeOne(rate, bucket, 0);
      bucket = end.bucket;
      if (end.waitMs === 0) taken++;
      else expect(end.waitMs).toBe(1000);
    }
    expect(taken).toBe(60);
    expect(takeOne(rate, bucket, 999).waitMs).toBeCloseTo(1);
    expect(takeOne(rate, bucket, 1000).waitMs).toBe(0);
    expect(takeOne(rate, bucket, 1e12).bucket.tokens).toBe(59);
    expect(takeOne(rate, { tokens: 0, at: 5000 }, 0).waitMs).toBe(1000); // A clock that has gone back gives nothing.
  });

  it.each(['', '60', '0/min', '-1/min', '1.5/s', '60/y', '99999999/s', '60/min/min'])(
    'is no rate: %j',
    (text) => {
      expect(() => parseRate(text)).toThrow(RangeError);
    },
  );
});
