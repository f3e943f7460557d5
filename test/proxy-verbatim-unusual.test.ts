import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { next, until, within } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';
import { raw, sha256 } from './_verbatim.ts';

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
