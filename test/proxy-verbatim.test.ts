import { describe, expect, it } from 'vitest';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { ask, chat, send } from './_simulate-client.ts';
import { raw, sha256 } from './_verbatim.ts';

describe.each(TOPOLOGIES)('bytes that pass ($path)', ({ serve }) => {
  it.each([
    { what: 'broken JSON', path: '/api/chat', body: '{"model":"simulated",', status: 400 },
    { what: 'no body', path: '/api/generate', body: '', status: 400 },
    { what: 'a model nobody has', path: '/api/chat', body: JSON.stringify(chat('nope', 'x')), status: 404 },
    { what: 'a model nobody has', path: '/api/embed', body: '{"model":"nope","input":"x"}', status: 404 },
    {
      what: 'a model nobody has',
      path: '/v1/chat/completions',
      body: JSON.stringify(chat('nope', 'x')),
      status: 404,
    },
    {
      what: 'max_tokens missing',
      path: '/v1/messages',
      body: JSON.stringify(chat('simulated', 'x')),
      status: 400,
    },
    { what: 'a path nobody has', path: '/api/nothing', body: '{}', status: 404 },
    { what: 'a method nobody has', path: '/api/tags', body: '{}', status: 405 },
  ])('are those of the $status of $path for $what, and nobody is blamed', async ({ path, body, status }) => {
    await using cluster = await startCluster({ serve, ollamas: [{}, {}] });
    const direct = await ask(cluster.ollamas[0]!, path, body);
    const before = cluster.ollamas.flatMap(({ seen }) =>
      seen.filter(({ method }) => method === 'POST'),
    ).length;
    const answer = await ask(cluster, path, body);
    const after = cluster.ollamas.flatMap(({ seen }) =>
      seen.filter(({ method }) => method === 'POST'),
    ).length;
    expect(direct.status).toBe(status);
    expect(answer).toMatchObject({ status, text: direct.text, complete: true });
    expect(answer.headers['content-type']).toBe(direct.headers['content-type']);
    expect(after - before).toBe(1);
    expect(cluster.client.status().servers.map(({ verdict }) => verdict)).toEqual(['reliable', 'reliable']);
    expect(cluster.log.said('attempt failed')).toEqual([]);
  });

  it('keep odd spacing, big integers and duplicate keys of a body', async () => {
    await using cluster = await startCluster({ serve });
    const body =
      '\r\n {"model" :"nope",\t"model":  "simulated" , "options":{"seed":12345678901234567890123,"temperature":1.0e-0},' +
      '"messages":[{"role":"user","content":"\\u00e9é \\/ "}],"stream":false , "stream":false,"x":1e400}\n\n';
    const answer = await ask(cluster, '/api/chat', body);
    expect(answer.status).toBe(200);
    const seen = cluster.ollamas[0]!.seen.find(({ path }) => path === '/api/chat');
    expect(seen).toMatchObject({ bodySha256: sha256(body), bodyBytes: Buffer.byteLength(body) });
  });
});

describe('paths that pass', () => {
  it.each([
    '//api//chat',
    '/api/chat/../chat',
    '/api/./chat?',
    '/api/chat?a=b&a=c&&x=%2F%2f&y',
    '/v1/models/a%2Fb%3Aq4?x=%20+',
    '/%E2%82%AC/%2e%2E/',
    '/api/chat;v=1?q#not-a-fragment',
  ])('%s', async (path) => {
    const targets: string[] = [];
    await using upstream = await startUpstream((request, response) => {
      targets.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => response.end('{}'));
    });
    await using before = await startBefore([upstream.url]);
    for (const method of ['GET', 'POST', 'PUT'])
      await raw(before.url, method, path, ['Host: localhost'], '{"x":1}');
    // A second round goes over kept connections.
    for (const method of ['GET', 'POST', 'PUT'])
      await raw(before.url, method, path, ['Host: localhost'], '{"x":1}');
    const expected = ['GET', 'POST', 'PUT'].map((method) => `${method} ${path}`);
    expect(targets).toEqual([...expected, ...expected]);
  });
});

describe('headers that pass', () => {
  /** What an upstream received for a request with these header lines. */
  async function received(lines: readonly string[], body = '{"model":"m"}'): Promise<readonly string[]> {
    let got: readonly string[] = [];
    await using upstream = await startUpstream((request, response) => {
      got = request.rawHeaders;
      request.resume().on('end', () => response.end('{}'));
    });
    await using before = await startBefore([upstream.url]);
    await raw(before.url, 'POST', '/api/show', ['Host: my-laptop.local:11435', ...lines], body);
    const pairs = Array.from({ length: got.length / 2 }, (_, i) => `${got[2 * i]}: ${got[2 * i + 1]}`);
    return pairs.map((pair) => pair.replace(upstream.url.slice('http://'.length), 'UPSTREAM'));
  }

  it('keep their case, their number and their values', async () => {
    const lines = [
      'X-StAiNlEsS-Os: Linux',
      'x-twice: one',
      'x-twice: two, three',
      'Cookie: a=1',
      'Authorization: Bearer abc',
      'Content-Type: text/plain',
      'Accept-Encoding: gzip, br',
      'X-Empty: ',
    ];
    const got = await received(lines);
    for (const line of lines) expect(got).toContain(line);
  });

  it('are fine by any name, those of JavaScript’s own properties too', async () => {
    const lines = ['constructor: a', 'toString: b', 'hasOwnProperty: d', 'constructor: e'];
    const got = await received(lines);
    for (const line of lines) expect(got.filter((one) => one === line)).toHaveLength(1);
  });

  it('name the server as Host, and lose Origin and those of the connection', async () => {
    const got = await received([
      'Origin: http://localhost:3000',
      'Connection: X-Mine, keep-alive',
      'X-Mine: secret',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Proxy-Connection: close',
    ]);
    expect(got).toContain('host: UPSTREAM');
    expect(got.filter((line) => /^host:/i.test(line))).toHaveLength(1);
    expect(got.join('\n')).not.toMatch(/origin|x-mine|secret|^te:|proxy-connection|timeout=5/im);
  });

  it('carry one Content-Length, and Via with this device added', async () => {
    const got = await received(['Via: 1.0 before']);
    expect(got.filter((line) => /^content-length:/i.test(line))).toEqual(['content-length: 13']);
    expect(got.find((line) => /^via:/i.test(line))).toMatch(
      /^via: 1\.0 before, 1\.1 ollana-client-[0-9a-f]{16}$/i,
    );
  });

  it('of an answer keep their case, number and status text, less those of the connection and ollana’s', async () => {
    await using upstream = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(299, 'Very Fine', [
        ...[
          'X-CamelCase',
          '1',
          'Set-Cookie',
          'a=1',
          'Set-Cookie',
          'b=2',
          'Connection',
          'X-Mine',
          'X-Mine',
          'no',
        ],
        ...['X-Ollana-Server', 'forged', 'Content-Type', 'text/x; y=z'],
      ]);
      response.end('body');
    });
    await using before = await startBefore([upstream.url]);
    const text = await raw(before.url, 'POST', '/api/show', ['Host: localhost'], '{"model":"m"}');
    const head = text.slice(0, text.indexOf('\r\n\r\n'));
    expect(head).toMatch(/^HTTP\/1\.1 299 Very Fine\r\n/);
    for (const line of [
      'X-CamelCase: 1',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'Content-Type: text/x; y=z',
    ]) {
      expect(head.split('\r\n')).toContain(line);
    }
    expect(head).not.toMatch(/X-Mine|forged/);
    expect(head).toMatch(/X-Ollana-Server: 127\.0\.0\.1:\d+\r\nX-Ollana-Attempts: 1\r\n/);
  });
});

describe('a request that comes back', () => {
  it('is answered 508 instead of going round for ever', async () => {
    await using first = await startCluster();
    const client = first.client;
    const via = `1.1 ollana-client-${client.status().deviceId.slice(0, 16)}`;
    const answer = await send(first, '/api/chat', chat('simulated', 'x'), { headers: { via } }).answer;
    expect(answer.status).toBe(508);
    expect(JSON.parse(answer.text).error).toContain('ollanas');
  });
});
