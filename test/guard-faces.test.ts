import { describe, expect, it } from 'vitest';
import { type Cluster, startCluster } from './_cluster.ts';
import { ask, chat } from './_simulate-client.ts';

const FACES = [
  { face: 'client mode', of: (cluster: Cluster) => cluster },
  { face: 'server mode', of: (cluster: Cluster) => cluster.servers[0]! },
];

describe.each(FACES)('web pages of others, in $face', ({ of }) => {
  const start = () => startCluster({ serve: true });
  const posts = (cluster: Cluster) => cluster.ollamas[0]!.seen.filter(({ method }) => method !== 'GET');

  it.each([
    { why: 'a rebound name', headers: { host: 'evil.example' } },
    { why: 'a rebound name with our port', headers: { host: 'evil.example:11435' } },
    { why: 'a public address', headers: { host: '8.8.8.8' } },
    { why: 'a foreign origin', headers: { origin: 'https://evil.example' } },
    { why: 'a foreign origin that looks like ours', headers: { origin: 'http://localhost.evil.example' } },
    { why: 'a sandboxed page', headers: { origin: 'null' } },
    { why: 'a browser extension', headers: { origin: 'chrome-extension://abc' } },
  ])('are refused for $why with 403 and nothing else, and nothing reaches a server', async ({ headers }) => {
    await using cluster = await start();
    for (const [path, method, body] of [
      ['/', 'GET', undefined],
      ['/api/tags', 'GET', undefined],
      ['/api/chat', 'POST', chat('simulated', 'x')],
      ['/api/delete', 'DELETE', { model: 'simulated' }],
      ['/ollana/api/hello', 'GET', undefined],
      ['/ollana/api/status', 'GET', undefined],
      ['/', 'OPTIONS', undefined],
    ] as const) {
      const answer = await ask(of(cluster), path, body, { method, headers });
      expect(answer).toMatchObject({ status: 403, text: '', complete: true });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    expect(posts(cluster)).toEqual([]);
  });

  it.each([
    { why: 'a rebound name', headers: { host: 'evil.example:11435' } },
    { why: 'an address that is not ours', headers: { host: '100.64.0.9:11435' } },
    { why: 'a foreign origin', headers: { origin: 'https://evil.example' } },
  ])(
    'are told no with 401 when they ask for leave for $why: clients of old end themselves on 403',
    async ({ headers }) => {
      await using cluster = await start();
      const answer = await ask(of(cluster), '/ollana/api/authorize', '', { method: 'POST', headers });
      expect(answer).toMatchObject({ status: 401, text: 'Device is not authorized', complete: true });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      for (const path of ['/ollana/api/authorizes', '/ollana/api/authorize/x', '/api/version'])
        expect(await ask(of(cluster), path, '', { method: 'POST', headers })).toMatchObject({
          status: 403,
          text: '',
        });
      expect(posts(cluster)).toEqual([]);
    },
  );

  it.each(['http://localhost:3000', 'https://127.0.0.1', 'app://obsidian.md', 'vscode-webview://abc'])(
    'are let in from %s, and told so',
    async (origin) => {
      await using cluster = await start();
      for (const [path, body] of [
        ['/api/tags', undefined],
        ['/', undefined],
        ['/api/chat', chat('simulated', 'x')],
        ['/api/chat', chat('nope', 'x')],
      ] as const) {
        const answer = await ask(of(cluster), path, body, { headers: { origin } });
        expect([200, 404]).toContain(answer.status);
        expect(answer.headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' });
      }
      expect(cluster.ollamas[0]!.seen.every(({ headers }) => headers.origin === undefined)).toBe(true);
    },
  );

  it('get a 204 to a preflight with Ollama’s headers, and only from an allowed origin', async () => {
    await using cluster = await start();
    const headers = { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' };
    const answer = await ask(of(cluster), '/api/chat', undefined, { method: 'OPTIONS', headers });
    expect(answer).toMatchObject({ status: 204, text: '' });
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'http://localhost:3000',
      'access-control-allow-methods': 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS',
      'access-control-max-age': '43200',
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    });
    expect(answer.headers['access-control-allow-headers']).toMatch(
      /Authorization.*OpenAI-Beta.*x-stainless-/i,
    );
    expect(answer.headers['access-control-allow-private-network']).toBeUndefined();
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    const host = `localhost:${new URL(of(cluster).url).port}`;
    const plain = await ask(of(cluster), '/api/chat', undefined, { method: 'OPTIONS', headers: { host } });
    expect(plain).toMatchObject({ status: 204, text: '' });
  });

  it('of the same origin need no permission', async () => {
    await using cluster = await start();
    const { host } = new URL(of(cluster).url);
    const answer = await ask(of(cluster), '/api/tags', undefined, { headers: { origin: `http://${host}` } });
    expect(answer.status).toBe(200);
  });
});

describe('origins that the user allows', () => {
  it('are let in, and no others', async () => {
    await using cluster = await startCluster({
      client: { origins: ['https://chat.example', 'https://*.lan'] },
    });
    for (const origin of ['https://chat.example', 'https://ui.lan']) {
      expect((await ask(cluster, '/api/tags', undefined, { headers: { origin } })).status).toBe(200);
    }
    const headers = { origin: 'https://chat.example.evil' };
    expect((await ask(cluster, '/api/tags', undefined, { headers })).status).toBe(403);
  });

  it('may be all of them', async () => {
    await using cluster = await startCluster({ client: { origins: ['*'] } });
    const answer = await ask(cluster, '/api/tags', undefined, { headers: { origin: 'https://x.example' } });
    expect(answer).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': '*' } });
  });
});
