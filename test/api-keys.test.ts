import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newKey } from '../src/security/api-key.ts';
import { changeKeys, keysFile } from '../src/security/key-file.ts';
import { asked, bearer, everything, keyFolder } from './_api-keys.ts';
import { startCluster } from './_cluster.ts';
import { ask, chat } from './_simulate-client.ts';

const { folder, add, start, required } = keyFolder();

const json = (key?: string) => ({
  headers: { 'content-type': 'application/json', ...(key !== undefined && { 'x-api-key': key }) },
});

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
