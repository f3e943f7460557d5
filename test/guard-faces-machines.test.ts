import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { type Cluster, startCluster } from './_cluster.ts';
import { next } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';
import { zstdStored } from './_zstd.ts';

/** An address of this machine that is not loopback: connecting to it goes through the kernel only. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const SHA = createHash('sha256').update('x').digest('hex');
const MANAGEMENT = [
  { method: 'POST', path: '/api/pull', body: { model: 'evil.example:5000/x/y' } },
  { method: 'POST', path: '/api/push', body: { model: 'simulated' } },
  { method: 'POST', path: '/api/create', body: { model: 'x', from: 'simulated' } },
  { method: 'POST', path: '/api/copy', body: { source: 'simulated', destination: 'x' } },
  { method: 'DELETE', path: '/api/delete', body: { model: 'simulated' } },
  { method: 'POST', path: `/api/blobs/sha256:${SHA}`, body: 'x' },
  { method: 'HEAD', path: `/api/blobs/sha256:${SHA}`, body: undefined },
];
const IDENTITY = [
  { method: 'POST', path: '/api/me', body: {} },
  { method: 'POST', path: '/api/signout', body: {} },
  { method: 'DELETE', path: '/api/user/keys/abc', body: undefined },
  { method: 'GET', path: '/api/status', body: undefined },
  { method: 'POST', path: '/api/experimental/web_search', body: { query: 'x' } },
  { method: 'POST', path: '/api/experimental/web_fetch', body: { url: 'http://x' } },
];

describe('other machines, at a server-mode ollana', () => {
  skipBecause(OUTSIDE === undefined ? 'this machine has no address but loopback' : undefined);

  async function start(allow: ReadonlySet<'manage'> = new Set()) {
    const cluster = await startCluster({
      serve: true,
      server: { host: '0.0.0.0', allow, allowRegistry: ['evil.example:5000'] },
    });
    const url = `http://${OUTSIDE}:${new URL(cluster.servers[0]!.url).port}`;
    return { cluster, peer: { url } as Cluster, here: cluster.servers[0]! };
  }

  it.each([
    { path: '/', body: undefined },
    { path: '/api/version', body: undefined },
    { path: '/api/tags', body: undefined },
    { path: '/api/ps', body: undefined },
    { path: '/v1/models', body: undefined },
    { path: '/v1/models/simulated', body: undefined },
    { path: '/api/show', body: { model: 'simulated' } },
    { path: '/api/chat', body: chat('simulated', 'x') },
    { path: '/api/generate', body: { model: 'simulated', prompt: 'x' } },
    { path: '/v1/chat/completions', body: chat('simulated', 'x') },
    { path: '/v1/messages', body: chat('simulated', 'x', { max_tokens: 5 }) },
    { path: '/v1/responses', body: { model: 'simulated', input: 'x' } },
    { path: '/ollana/api/hello', body: undefined },
  ])('may use $path', async ({ path, body }) => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    expect(await ask(peer, path, body)).toMatchObject({ status: 200 });
  });

  it.each([...MANAGEMENT, ...IDENTITY])(
    'may not $method $path, and are told why',
    async ({ method, path, body }) => {
      const { cluster, peer } = await start();
      await using _ = cluster;
      const before = cluster.ollamas[0]!.seen.length;
      const answer = await ask(peer, path, body, { method });
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      if (method !== 'HEAD') {
        const { error } = JSON.parse(answer.text) as { error: string };
        expect(error).toContain(path);
        expect(error).toMatch(
          MANAGEMENT.some((row) => row.path === path) ? /--allow manage/ : /on that machine/,
        );
      }
      const after = cluster.ollamas[0]!.seen.slice(before).filter((request) => request.path === path);
      expect(after).toEqual([]);
    },
  );

  it.each(MANAGEMENT)('may $method $path when the owner allows it', async ({ method, path, body }) => {
    const { cluster, peer } = await start(new Set(['manage']));
    await using _ = cluster;
    expect((await ask(peer, path, body, { method })).status).not.toBe(403);
    expect(cluster.ollamas[0]!.seen.some((request) => request.path === path)).toBe(true);
  });

  it.each(IDENTITY)('may not $method $path even then', async ({ method, path, body }) => {
    const { cluster, peer } = await start(new Set(['manage']));
    await using _ = cluster;
    expect((await ask(peer, path, body, { method })).status).toBe(403);
  });

  it.each([
    { method: 'GET', path: '/api/unheard-of', status: 404, text: '404 page not found' },
    { method: 'POST', path: '//api/pull', status: 404, text: '404 page not found' },
    { method: 'POST', path: '/API/pull', status: 404, text: '404 page not found' },
    { method: 'POST', path: '/api/%70ull', status: 404, text: '404 page not found' },
    { method: 'POST', path: '/x/../api/pull', status: 404, text: '404 page not found' },
    { method: 'POST', path: 'http://127.0.0.1:11434/api/pull', status: 404, text: '404 page not found' },
    { method: 'GET', path: '/debug/pprof', status: 404, text: '404 page not found' },
    { method: 'POST', path: '/v1/models/../../api/pull', status: 404, text: '404 page not found' },
  ])('get $status for $method $path, as Ollama says it and without asking it', async (row) => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    const before = cluster.ollamas[0]!.seen.length;
    const { hostname, port } = new URL(peer.url);
    // As options: a URL would be normalised.
    const outgoing = request({ hostname, port, path: row.path, method: row.method, agent: false });
    const answered = next<IncomingMessage>(outgoing, 'response', 5000);
    outgoing.end(row.method === 'GET' ? undefined : '{"model":"x"}');
    const response = await answered;
    expect(response.statusCode).toBe(row.status);
    expect(response.headers['content-type']).toMatch(/^text\/plain/);
    expect(await text(response)).toBe(row.text);
    const after = cluster.ollamas[0]!.seen.slice(before);
    expect(after.filter(({ method, path }) => method === row.method && path.endsWith(row.path))).toEqual([]);
  });

  it.each([
    { method: 'POST', path: '/api/pull/', status: 307 },
    { method: 'GET', path: '/api/tags/', status: 301 },
    { method: 'GET', path: '/api/pull', status: 405 },
    { method: 'POST', path: '/api/tags', status: 405 },
    { method: 'DELETE', path: '/api/chat', status: 405 },
  ])('get Ollama’s own $status for $method $path', async ({ method, path, status }) => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    const direct = await ask(cluster.ollamas[0]!, path, undefined, { method });
    const answer = await ask(peer, path, undefined, { method });
    expect(answer).toMatchObject({ status, text: direct.text });
    expect(answer.headers.location).toBe(direct.headers.location);
    expect(cluster.ollamas[0]!.models.list().map(({ name }) => name)).toEqual(['simulated:latest']);
  });

  const KEYS = Array.from({ length: 1001 }, (_, i) => `"k${i}":0`).join(',');
  const CLOUD = Buffer.from('{"model":"x:cloud","messages":[]}');
  it.each([
    {
      how: 'behind 1001 keys',
      path: '/api/chat',
      body: Buffer.from(`{${KEYS},"model":"x:cloud"}`),
      headers: {},
    },
    {
      how: 'in a zstd body',
      path: '/api/chat',
      body: zstdStored(CLOUD),
      headers: { 'content-encoding': 'zstd' },
    },
    {
      how: 'in a form',
      path: '/v1/audio/transcriptions',
      body: Buffer.from('--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx:cloud\r\n--b--\r\n'),
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
    },
  ])('may not hide a cloud model $how', async ({ path, body, headers }) => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    expect([403, 413]).toContain((await ask(peer, path, body, { headers })).status);
    expect(cluster.ollamas[0]!.seen.some((request) => request.path === path)).toBe(false);
  });

  it.each([
    '{"model":"kimi-k2:cloud"}',
    '{"model":"gpt-oss:120b-cloud"}',
    '{"MODEL":"gpt-oss:120b-CLOUD"}',
    '{"model":"simulated","model":"x:cloud"}',
    '{"model":"x:cloud","model":null}',
    '{"model":"x:\\u0063loud"}',
    '{"a":[{"model":"simulated"}],"model":"x:cloud"}',
  ])('may not run %s, which runs on the owner’s account', async (body) => {
    const { cluster, peer, here } = await start();
    await using _ = cluster;
    for (const path of ['/api/chat', '/api/show', '/v1/chat/completions']) {
      const answer = await ask(peer, path, body);
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('ollama.com');
      expect((await ask(here, path, body)).status).not.toBe(403);
    }
  });

  it('may not run one through a client-mode ollana that is open to them, either', async () => {
    await using cluster = await startCluster({
      serve: true,
      client: { host: '0.0.0.0', localFallback: true },
    });
    const peer = { url: `http://${OUTSIDE}:${new URL(cluster.url).port}` };
    const answer = await ask(peer, '/api/chat', chat('x:cloud', 'x'));
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('ollama.com');
    expect((await ask(peer, '/api/chat', `{${KEYS},"model":"x:cloud"}`)).status).toBe(413);
    expect((await ask(cluster, '/api/chat', chat('x:cloud', 'x'))).status).not.toBe(403);
    expect((await ask(peer, '/api/chat', chat('simulated', 'x'))).status).toBe(200);
  });

  it('may not hide the model behind a body too large to be looked through', async () => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    const body = `{"prompt":"${'x'.repeat(33 << 20)}","model":"x:cloud"}`;
    const answer = await ask(peer, '/api/generate', body);
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.text).error).toContain('model');
  });

  it('may not read this daemon’s status', async () => {
    const { cluster, peer, here } = await start();
    await using _ = cluster;
    expect((await ask(peer, '/ollana/api/status')).status).toBe(404);
    expect((await ask(here, '/ollana/api/status')).status).toBe(200);
  });

  it('get an answer from authorize that old clients live with', async () => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    const answer = await ask(peer, '/ollana/api/authorize', {});
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toBeTypeOf('object');
  });

  it.each([...MANAGEMENT, ...IDENTITY])(
    'do not restrict this one: $method $path from loopback',
    async (row) => {
      const { cluster, here } = await start();
      await using _ = cluster;
      const answer = await ask(here, row.path, row.body, { method: row.method });
      expect(answer.status).not.toBe(403);
      expect(cluster.ollamas[0]!.seen.some(({ path }) => path === row.path)).toBe(true);
    },
  );
});
