import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRate } from '../src/config/rate.ts';
import { type ApiKey, hashOf, matchingKey, newKey, readKeys, writeKeys } from '../src/security/api-key.ts';
import { changeKeys, keysFile } from '../src/security/key-file.ts';
import { takeOne } from '../src/security/token-bucket.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch } from './_cli.ts';
import { type Cluster, type ClusterOptions, startCluster } from './_cluster.ts';
import { startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

let folder: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  folder = temporaryDirectory('keys');
});
afterEach(() => folder[Symbol.dispose]());

/** Adds a key to the client's data directory, as `ollana key add` does; gives the key. */
async function add(name: string, limits: Partial<ApiKey> = {}): Promise<string> {
  const key = newKey();
  await changeKeys(folder.path, (keys) => [...keys, { name, hash: hashOf(key), since: '', ...limits }]);
  return key;
}

const start = (options: ClusterOptions = {}) =>
  startCluster({ ...options, client: { dataDir: folder.path, ...options.client } });
const required = () => start({ client: { requireKey: true } });
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
const asked = (cluster: Cluster) => cluster.ollamas.flatMap(({ seen }) => seen);
const everything = (cluster: Cluster) => JSON.stringify(asked(cluster).map(({ rawHeaders }) => rawHeaders));

const ROUTES = [
  { path: '/api/chat', body: chat('simulated', 'x') },
  { path: '/api/generate', body: { model: 'simulated', prompt: 'x' } },
  { path: '/api/embed', body: { model: 'simulated', input: ['x', 'y'] } },
  { path: '/v1/chat/completions', body: chat('simulated', 'x') },
  { path: '/v1/responses', body: { model: 'simulated', input: 'x' } },
  { path: '/v1/messages', body: chat('simulated', 'x', { max_tokens: 5 }) },
  { path: '/api/show', body: { model: 'simulated' } },
  { path: '/api/tags', body: undefined },
  { path: '/v1/models', body: undefined },
];

describe.each([false, true])('a key (through ollana serve: %s)', (serve) => {
  it.each(ROUTES)('is known and reaches no server, for $path', async ({ path, body }) => {
    const key = await add('editor');
    await using cluster = await start({ serve });
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { authorization: `bearer  ${key}` },
      { 'x-api-key': key },
      { authorization: `Bearer ${key}`, 'X-Api-Key': key },
    ])
      expect(await ask(cluster, path, body, { headers })).toMatchObject({ status: 200, complete: true });
    expect(everything(cluster)).not.toContain(key);
    expect(everything(cluster)).not.toMatch(/authorization|x-api-key/i);
  });

  it.each(['Bearer sk-something', 'Bearer ollama', 'Basic dXNlcjpwYXNz', `Bearer ollana_${'A'.repeat(43)}`])(
    'that is not one of ours passes as it came: %s',
    async (authorization) => {
      const key = await add('editor');
      await using cluster = await start({ serve });
      const headers = { Authorization: authorization, 'X-Api-Key': key };
      expect((await ask(cluster, '/api/chat', chat('simulated', 'x'), { headers })).status).toBe(200);
      const sent = asked(cluster).find(({ path }) => path === '/api/chat');
      const at = sent?.rawHeaders.indexOf('Authorization') ?? -1;
      expect(sent?.rawHeaders[at + 1]).toBe(authorization);
      expect(everything(cluster)).not.toContain(key);
    },
  );
});

describe('a request that shows hundreds', () => {
  it('is refused without looking for them, and none reaches a server', async () => {
    const key = await add('editor');
    await using cluster = await start();
    const many = [...Array.from({ length: 200 }, newKey), key];
    const headers = { 'x-api-key': many } as unknown as Record<string, string>;
    const answer = await ask(cluster, '/api/chat', chat('simulated', 'x'), { headers });
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.text).toContain('at most 4');
    expect(everything(cluster)).not.toContain('ollana_');
  });
});

describe('while no key exists', () => {
  it('nothing is asked for, and every bearer passes', async () => {
    await using cluster = await start();
    const key = newKey();
    expect((await ask(cluster, '/api/chat', chat('simulated', 'x'), bearer(key))).status).toBe(200);
    expect(everything(cluster)).toContain(key);
  });
});

describe('the log', () => {
  it('has the name of the app, and no key', async () => {
    const key = await add('editor');
    await using cluster = await start();
    await ask(cluster, '/api/chat', chat('simulated', 'x'), bearer(key));
    await ask(cluster, '/api/chat', chat('nope', 'x'), bearer(key));
    const lines = JSON.stringify(cluster.log.lines);
    expect(lines).toContain('"key":"editor"');
    expect(lines).not.toContain(key.slice(7));
  });
});

describe('--require-key', () => {
  it.each(ROUTES)('refuses $path without one, in the shape of the route', async ({ path, body }) => {
    const key = await add('editor');
    await using cluster = await required();
    const before = asked(cluster).length;
    const wrong = `ollana_${'A'.repeat(43)}`;
    for (const headers of [{}, { authorization: `Bearer ${wrong}` }, { 'x-api-key': 'sk-ant' }]) {
      const answer = await ask(cluster, path, body, { headers: headers as Record<string, string> });
      expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
      const said = JSON.parse(answer.text);
      const message = said.error.message ?? said.error;
      expect(message).toContain('ollana key add NAME');
      if (path === '/v1/messages')
        expect(said).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
      else if (path.startsWith('/v1/')) expect(said.error).toMatchObject({ code: 'invalid_api_key' });
      else expect(said.error).toBeTypeOf('string');
    }
    expect(
      asked(cluster)
        .slice(before)
        .filter((one) => one.path === path && one.method === 'POST'),
    ).toEqual([]);
    expect((await ask(cluster, path, body, bearer(key))).status).toBe(200);
  });

  it.each(['/', '/api/version', '/ollana/api/hello'])('lets health checks have %s', async (path) => {
    await using cluster = await required();
    expect((await ask(cluster, path)).status).toBe(200);
  });

  it('takes up a key that is added, and one that is removed, at once', async () => {
    await using cluster = await required();
    const run = (key: string) => ask(cluster, '/api/chat', chat('simulated', 'x'), bearer(key));
    const key = await add('editor');
    expect((await run(key)).status).toBe(200);
    await changeKeys(folder.path, () => []);
    expect((await run(key)).status).toBe(401);
    expect(everything(cluster)).not.toContain(key);
  });

  it('keeps what it read last when the file breaks or is gone, and says so once', async () => {
    const key = await add('editor');
    await using cluster = await required();
    const run = () => ask(cluster, '/api/chat', chat('simulated', 'x'), bearer(key));
    writeFileSync(keysFile(folder.path), '{"version":1,"keys":[{');
    expect((await run()).status).toBe(200);
    expect((await run()).status).toBe(200);
    expect(cluster.log.lines.filter(({ message }) => message.includes('API keys'))).toHaveLength(1);
    rmSync(keysFile(folder.path));
    expect((await run()).status).toBe(200);
  });

  it('goes for jobs, too, which run as the app that asks', async () => {
    const key = await add('editor');
    const other = await add('other', { models: ['another'] });
    await using cluster = await required();
    const job = { model: 'simulated', prompt: 'x' };
    expect((await ask(cluster, '/jobs', job, json())).status).toBe(401);
    expect((await ask(cluster, '/jobs', job, json(other))).status).toBe(403);
    expect((await ask(cluster, '/jobs', job, json(key))).status).toBe(200);
  });

  it('at a server lets other ollanas choose it, and runs what has a key', async () => {
    await using cluster = await startCluster({
      serve: true,
      server: { requireKey: true, dataDir: folder.path },
    });
    const key = await add('editor');
    expect((await ask(cluster, '/api/tags')).text).toContain('simulated');
    const without = await ask(cluster, '/api/chat', chat('simulated', 'x'));
    expect(without).toMatchObject({ status: 401 });
    expect(without.text).toContain('ollana key add');
    expect((await ask(cluster, '/api/chat', chat('simulated', 'x'), bearer(key))).status).toBe(200);
    expect(cluster.view(0).verdict).toBe('reliable');
    expect(everything(cluster)).not.toContain(key);
    expect((await ask(cluster.servers[0]!, '/api/tags')).status).toBe(401);
  });
});

const json = (key?: string) => ({
  headers: { 'content-type': 'application/json', ...(key !== undefined && { 'x-api-key': key }) },
});

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

describe('the file of keys', () => {
  it('is found by the right key only, and says nothing about it', () => {
    const keys = Array.from({ length: 50 }, (_, i) => ({ key: newKey(), name: `k${i}` }));
    const kept = keys.map(({ key, name }) => ({ name, hash: hashOf(key), since: '' }));
    for (const { key, name } of keys) expect(matchingKey(kept, key)?.name).toBe(name);
    expect(matchingKey(kept, newKey())).toBeUndefined();
    expect(matchingKey(kept, kept[0]!.hash)).toBeUndefined();
    const text = writeKeys(kept);
    for (const { key } of keys) expect(text).not.toContain(key.slice(7, 30));
    expect(readKeys(text)).toEqual(kept);
  });

  it.each([
    'null',
    '[]',
    '{"version":2,"keys":[]}',
    '{"version":1,"keys":[{"name":"a","hash":"xyz"}]}',
    `{"version":1,"keys":[{"hash":"${'0'.repeat(64)}"}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","models":[]}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","models":"m"}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","rate":"lots"}]}`,
  ])('is refused whole where a part makes no sense: %s', (text) => {
    expect(() => readKeys(text)).toThrow();
  });
});

describe('ollana key', () => {
  it('adds, lists and removes keys of a running ollana, for this user only', {
    timeout: 60_000,
  }, async () => {
    await using ollama = await startSimulatedOllama();
    await using daemon = await startDaemon({
      args: [
        'serve',
        '--ollama',
        ollama.url,
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--require-key',
        '--no-udp',
        '--no-mdns',
      ],
    });
    const dir = ['--data-dir', daemon.dataDir];
    const run = (key: string) => ask(daemon, '/api/chat', chat('simulated', 'x'), bearer(key));
    const added = await cli([
      'key',
      'add',
      'my editor',
      '--rate',
      '60/min',
      '--models',
      'simulated,other',
      ...dir,
    ]);
    expect(added.code).toBe(0);
    const key = added.stdout.trim();
    expect(key).toMatch(/^ollana_[A-Za-z0-9_-]{43}$/);
    expect(added.stderr).toContain('not shown again');
    expect((await run(key)).status).toBe(200);
    const file = join(daemon.dataDir, 'keys.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(7));
    const listed = await cli(['key', 'list', ...dir]);
    expect(listed.stdout).toMatch(/my editor +\d{4}-\d\d-\d\d 60\/min +simulated, other/);
    const parsed = JSON.parse((await cli(['key', 'list', '--json', ...dir])).stdout);
    expect(parsed).toMatchObject([{ name: 'my editor', rate: '60/min', models: ['simulated', 'other'] }]);
    expect(JSON.stringify(parsed)).not.toContain(hashOf(key));
    // Its own commands need none.
    expect(await cli(['unload', 'simulated', ...dir])).toMatchObject({ code: 0 });
    const command = readFileSync(join(daemon.dataDir, 'command-key'), 'utf8').trim();
    expect(statSync(join(daemon.dataDir, 'command-key')).mode & 0o777).toBe(0o600);
    expect((await cli(['key', 'remove', 'MY EDITOR', ...dir])).code).toBe(0);
    expect((await run(key)).status).toBe(401);
    const sent = JSON.stringify(ollama.seen.map(({ rawHeaders }) => rawHeaders));
    expect(sent).not.toContain(key);
    expect(sent).not.toContain(command);
    expect(daemon.process.output).not.toContain(key.slice(7));
    expect(daemon.process.output).not.toContain(command.slice(7));
  });

  it.each([
    { args: [], says: 'give add NAME, list or remove NAME' },
    { args: ['ad', 'x'], says: 'did you mean add?' },
    { args: ['add'], says: 'NAME is missing' },
    { args: ['remove', 'x'], says: 'there is no key called "x"' },
    { args: ['list', 'x'], says: 'unexpected argument "x"' },
    { args: ['add', 'x', 'y'], says: 'unexpected argument "y"' },
    { args: ['add', 'x', '--rate', 'often'], says: 'give a rate such as 60/min' },
    { args: ['add', 'x\ny'], says: 'is no key' },
    { args: ['list', '--models', 'm'], says: 'belong to `ollana key add`' },
  ])('says what is wrong with $args', async ({ args, says }) => {
    const end = await cli(['key', ...args, '--data-dir', scratch()]);
    expect(end).toMatchObject({ code: 2, stdout: '' });
    expect(end.stderr).toContain(says);
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
  });
});
