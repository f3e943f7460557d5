import { createHash } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startBefore, startCluster, startUpstream, TOPOLOGIES } from './_cluster.ts';
import { next, until, within } from './_deadline.ts';
import { ask, chat, send } from './_simulate-client.ts';

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

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

describe.each(TOPOLOGIES)('less usual requests ($path)', ({ serve }) => {
  it('DELETE takes its body along', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{ models: [{ name: 'simulated' }, { name: 'old' }] }],
    });
    const answer = await ask(cluster, '/api/delete', { model: 'old' }, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    expect(cluster.ollamas[0]!.models.list().map(({ name }) => name)).toEqual(['simulated:latest']);
  });

  it('DELETE takes a body of unknown length along', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{ models: [{ name: 'simulated' }, { name: 'old' }] }],
    });
    const body = '{"model":"old"}';
    const lines = ['Host: localhost', 'Transfer-Encoding: chunked'];
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const text = await raw(cluster.url, 'DELETE', '/api/delete', lines, chunked, false);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(cluster.ollamas[0]!.models.list()).toHaveLength(1);
  });

  it.each(['/', '/api/version', '/api/tags'])('HEAD %s has GET’s headers and no body', async (path) => {
    await using cluster = await startCluster({ serve });
    const get = await ask(cluster, path);
    const head = await ask(cluster, path, undefined, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '', complete: true });
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
  });

  it('HEAD of a blob says whether it is there', async () => {
    await using cluster = await startCluster({ serve });
    const bytes = 'a small blob';
    const path = `/api/blobs/sha256:${sha256(bytes)}`;
    expect(await ask(cluster, path, undefined, { method: 'HEAD' })).toMatchObject({ status: 404, text: '' });
    expect(await ask(cluster, path, bytes)).toMatchObject({ status: 201 });
    expect(await ask(cluster, path, undefined, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  it('a blob that is there already is answered before the upload has ended', async () => {
    await using cluster = await startCluster({ serve });
    const bytes = Buffer.alloc(8 << 20, 'x');
    const path = `/api/blobs/sha256:${sha256(bytes)}`;
    expect(await ask(cluster, path, bytes)).toMatchObject({ status: 201 });
    const request = httpRequest(`${cluster.url}${path}`, { method: 'POST', agent: false });
    request.on('error', () => {}); // The rest of the upload may be cut off; the answer counts.
    request.write(bytes.subarray(0, 1 << 20));
    const response = await next<IncomingMessage>(request, 'response', 5000);
    expect(response.statusCode).toBe(200);
    request.destroy();
    await until(2000, 'nothing in flight', () => cluster.client.status().inFlight === 0);
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable' });
  });

  it('a client that reads nothing before it has sent everything gets the early answer too', async () => {
    await using cluster = await startCluster({ serve });
    const bytes = Buffer.alloc(8 << 20, 'y');
    const path = `/api/blobs/sha256:${sha256(bytes)}`;
    expect(await ask(cluster, path, bytes)).toMatchObject({ status: 201 });
    const socket = connect(Number(new URL(cluster.url).port), '127.0.0.1');
    let answer = '';
    socket.pause();
    socket.setEncoding('latin1').on('data', (text) => {
      answer += text;
    });
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x.local\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    await within(5000, 'everything to be sent', new Promise((resolve) => socket.write(bytes, resolve)));
    socket.resume();
    await until(5000, 'the answer', () => answer.startsWith('HTTP/1.1 200 OK\r\n'));
    // The connection goes on to be used.
    answer = '';
    socket.write('GET /api/version HTTP/1.1\r\nHost: x.local\r\n\r\n');
    await until(5000, 'the second answer', () => answer.includes('"version"'));
    socket.destroy();
  });

  it('a chunked request without length arrives whole', async () => {
    await using cluster = await startCluster({ serve });
    const body = JSON.stringify(chat('simulated', 'in pieces', { stream: false }));
    const request = httpRequest(`${cluster.url}/api/chat`, { method: 'POST', agent: false });
    for (const letter of body) request.write(letter);
    const answered = next<IncomingMessage>(request, 'response', 5000);
    request.end();
    const response = await answered;
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(cluster.ollamas[0]!.seen.find(({ path }) => path === '/api/chat')?.bodySha256).toBe(sha256(body));
  });

  it('"Expect: 100-continue" is answered, and the body arrives', async () => {
    await using cluster = await startCluster({ serve });
    const body = JSON.stringify(chat('simulated', 'x', { stream: false }));
    const headers = { expect: '100-continue', 'content-length': String(body.length) };
    const request = httpRequest(`${cluster.url}/api/chat`, { method: 'POST', agent: false, headers });
    request.flushHeaders();
    await next(request, 'continue', 5000);
    const answered = next<IncomingMessage>(request, 'response', 5000);
    request.end(body);
    const response = await answered;
    response.resume();
    expect(response.statusCode).toBe(200);
  });

  it('a body arrives as it is though its encoding cannot be read here', async () => {
    await using cluster = await startCluster({ serve });
    const body = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 1, 2, 3, 255]);
    const answer = await ask(cluster, '/v1/chat/completions', body, {
      headers: { 'content-encoding': 'zstd' },
    });
    const seen = cluster.ollamas[0]!.seen.find(({ path }) => path === '/v1/chat/completions');
    expect(answer.status).toBe(400);
    expect(seen).toMatchObject({ bodySha256: sha256(body), headers: { 'content-encoding': 'zstd' } });
  });

  it('requests on one kept connection each get their own answer', async () => {
    await using cluster = await startCluster({ serve });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i += 1) {
      const request = httpRequest(`${cluster.url}/api/show`, { method: 'POST', agent });
      const answered = next<IncomingMessage>(request, 'response', 5000);
      request.end('{"model":"simulated"}');
      const response = await answered;
      const ended = next(response, 'end', 5000);
      response.resume();
      await ended;
      expect(request.reusedSocket).toBe(i > 0);
    }
    agent.destroy();
  });
});

describe('less usual answers', () => {
  it('bring their trailers', async () => {
    await using upstream = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(200, { 'Content-Type': 'text/plain', Trailer: 'X-Checksum' });
      response.write('abc');
      response.addTrailers({ 'X-Checksum': '1234' });
      response.end();
    });
    await using before = await startBefore([upstream.url]);
    const text = await raw(before.url, 'POST', '/api/show', ['Host: localhost'], '{"model":"m"}');
    expect(text).toMatch(/\r\n3\r\nabc\r\n0\r\nX-Checksum: 1234\r\n\r\n$/);
  });

  it.each([
    { status: 204, headers: {} },
    { status: 304, headers: { etag: '"x"' } },
    { status: 301, headers: { location: '/api/tags?x=1' } },
    { status: 307, headers: { location: '/somewhere', 'content-length': '0' } },
  ])('without a body pass: $status', async ({ status, headers }) => {
    await using upstream = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(status, headers).end();
    });
    await using before = await startBefore([upstream.url]);
    const answer = await ask({ url: before.url }, '/somewhere/');
    expect(answer).toMatchObject({ status, text: '', complete: true });
    expect(answer.headers).toMatchObject(headers);
  });

  it('leave in the chunks in which they came, at once', async () => {
    let write = (_text: string) => {};
    let end = () => {};
    await using upstream = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      write = (text) => void response.write(text);
      end = () => void response.end();
      write('{"n":0}\n');
    });
    await using before = await startBefore([upstream.url]);
    const request = httpRequest(`${before.url}/api/generate`, { method: 'POST', agent: false });
    const answered = next<IncomingMessage>(request, 'response', 5000);
    request.end('{"model":"m"}');
    const response = await answered;
    response.setEncoding('utf8');
    expect(await next(response, 'data', 2000)).toBe('{"n":0}\n');
    for (let n = 1; n < 20; n += 1) {
      const line = `{"n":${n}}\n`;
      const arrived = next(response, 'data', 2000);
      const at = performance.now();
      write(line);
      expect(await arrived).toBe(line);
      expect(performance.now() - at).toBeLessThan(100);
    }
    const ended = next(response, 'end', 2000);
    write('{"done":true}\n');
    end();
    await ended;
  });

  it('to a HEAD that the upstream answers with a body’s length have none', async () => {
    await using upstream = await startUpstream((_, response) => {
      response.writeHead(200, { 'Content-Length': '12345' }).end();
    });
    await using before = await startBefore([upstream.url]);
    const answer = await ask({ url: before.url }, '/somewhere', undefined, { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, text: '', complete: true });
    expect(answer.headers['content-length']).toBe('12345');
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

/** Sends a request byte by byte as given, on its own connection; resolves with all that came back. */
async function raw(
  url: string,
  method: string,
  path: string,
  lines: readonly string[],
  body: string,
  sized = true,
): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    text += piece;
  });
  const keep = lines.some((line) => line.startsWith('Connection:')) ? [] : ['Connection: close'];
  const length = sized ? [`Content-Length: ${Buffer.byteLength(body)}`] : [];
  const head = [`${method} ${path} HTTP/1.1`, ...lines, ...keep, ...length];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  if (keep.length === 0) {
    await until(5000, 'an answer', () => text.includes('\r\n\r\n'));
    socket.destroy();
  }
  await within(5000, `${method} ${path} to be answered`, closed);
  return text;
}
