import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startServer } from '../src/daemon/server.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { startCluster } from './_cluster.ts';
import { commonConfig, fasterClock, TestLog } from './_cluster-config.ts';
import { deadUrl } from './_cluster-upstream.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until, within } from './_deadline.ts';
import { add, remove } from './_server-paths.ts';

/** A client-mode daemon without servers, and an Ollama that it has not been told of. */
async function stage(model = 'llama3', dataDir?: string) {
  const ollama = await startSimulatedOllama({ models: [{ name: model }] });
  const cluster = await startCluster({ ollamas: [], client: dataDir === undefined ? {} : { dataDir } });
  return {
    ollama,
    url: cluster.url,
    log: cluster.log,
    names: () => cluster.client.status().servers.map(({ name }) => name),
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      await ollama[Symbol.asyncDispose]();
    },
  };
}

const generate = (url: string, model = 'llama3') =>
  call(url, '/api/generate', { method: 'POST', body: { model, prompt: 'hi', stream: false } });

describe('POST /add_server', () => {
  it('has the server used at once, and DELETE ends that at once although it answers', async () => {
    await using it = await stage();
    const added = await add(it.url, { url: `${it.ollama.url}/`, name: 'attic' });
    expect(added).toMatchObject({
      status: 201,
      json: {
        status: 'ok',
        name: 'attic',
        url: it.ollama.url,
        added: true,
        kept: false,
        server: { verdict: 'reliable', models: ['llama3:latest'], sources: ['static'] },
      },
    });
    const ran = await generate(it.url);
    expect(ran).toMatchObject({ status: 200, headers: { 'x-ollana-server': 'attic' } });

    expect(await remove(it.url, 'ATTIC')).toMatchObject({
      status: 200,
      json: { removed: 'attic', url: it.ollama.url },
    });
    expect(it.names()).toEqual([]);
    expect((await remove(it.url, 'attic')).status).toBe(404);
    // And it can come back.
    expect((await add(it.url, { server: `${it.ollama.url}=cellar` })).status).toBe(201);
    expect(it.names()).toEqual(['cellar']);
  });

  it('takes the same server again, under another name if told so', async () => {
    await using it = await stage();
    await add(it.url, { url: it.ollama.url, name: 'attic' });
    expect(await add(it.url, { url: it.ollama.url })).toMatchObject({
      status: 200,
      json: { added: false, name: 'attic' },
    });
    expect(await add(it.url, { url: it.ollama.url, name: 'loft' })).toMatchObject({ status: 200 });
    await until(2000, 'the new name', () => it.names()[0] === 'loft');
    expect(await add(it.url, { url: 'http://127.0.0.1:9', name: 'LOFT' })).toMatchObject({
      status: 409,
      json: { error: expect.stringContaining('is called loft already') },
    });
  });

  it('takes a server that does not answer, and says so', async () => {
    await using it = await stage();
    const url = await deadUrl();
    const { status, json } = await add(it.url, { url, name: 'off' });
    expect(status).toBe(201);
    expect(json.server).toMatchObject({ verdict: 'unreliable', reason: expect.stringMatching(/\w/) });
    expect((await remove(it.url, url)).status).toBe(200);
    expect(it.names()).toEqual([]);
  });

  it.each<[unknown, RegExp]>([
    [{}, /url is missing/],
    [{ url: 5 }, /url is missing/],
    [{ url: 'gpu1' }, /bad server "gpu1".*port/],
    [{ url: 'ftp://gpu1:21' }, /bad server/],
    [{ url: 'http://gpu1:1', name: '' }, /1 to 64 printable/],
    [{ url: 'http://gpu1:1', name: 7 }, /name is text/],
    [{ url: 'http://gpu1:1', keep: 'yes' }, /keep is true or false/],
    [{ url: 'http://gpu1:1', kep: true }, /unknown member "kep"/],
    [{ url: 'http://gpu1:1', server: 'http://gpu1:1' }, /not both/],
    [{ url: `http://gpu1:1/${'x'.repeat(3000)}` }, /at most 2048/],
    [[], /no JSON object/],
    ['{', /no JSON/],
    [undefined, /body is missing/],
  ])('%j is refused with 400 and the reason', async (body, reason) => {
    await using it = await stage();
    const answer = await add(it.url, body);
    expect(answer).toMatchObject({ status: 400, json: { error: expect.stringMatching(reason) } });
    expect(it.names()).toEqual([]);
  });

  it('ends at a bound', async () => {
    await using it = await stage();
    // None of them is waited for: each answer takes two seconds.
    const url = await deadUrl();
    const answers = await Promise.all(
      Array.from({ length: 257 }, (_, i) => add(it.url, { url: `${url}/${i}` })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(256);
    expect(answers.find(({ status }) => status === 409)?.json.error).toMatch(/256 servers/);
  });
});

describe('what changes something', () => {
  const BODY = { url: 'http://127.0.0.1:9' };

  it('is not for web pages, not even of origins that may use the models', async () => {
    await using it = await stage();
    for (const origin of ['http://localhost:3000', 'app://obsidian', 'null', 'https://evil.example']) {
      const paths = [
        add(it.url, BODY, { Origin: origin }),
        remove(it.url, 'x', { Origin: origin }),
        call(it.url, '/sync_servers', { method: 'POST', body: {}, headers: { Origin: origin } }),
      ];
      for (const answer of await Promise.all(paths)) expect(answer.status).toBe(403);
    }
    expect(it.names()).toEqual([]);
    expect((await add(it.url, BODY, { Origin: it.url })).status).toBe(201);
  });

  it('is JSON and small', async () => {
    await using it = await stage();
    expect((await add(it.url, 'url=x', { 'Content-Type': 'text/plain' })).status).toBe(415);
    expect((await add(it.url, BODY, { 'Content-Encoding': 'gzip' })).status).toBe(415);
    expect((await add(it.url, { url: 'x'.repeat(20_000) })).status).toBe(413);
    expect(it.names()).toEqual([]);
  });

  it('is not waited for for ever', async () => {
    await using cluster = await startCluster({ ollamas: [], clock: fasterClock(20) });
    const { hostname, port } = new URL(cluster.url);
    const socket = connect(Number(port), hostname);
    const head = `POST /add_server HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: 50\r\n\r\n{"url":`);
    let said = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      said += chunk;
    });
    await within(5000, 'the end of the connection', once(socket, 'close'));
    expect(said).toMatch(/^HTTP\/1\.1 408 .*"the body did not come within 10 s/s);
  });

  it('is not for other ollanas nor for a foreign Host', async () => {
    await using it = await stage();
    expect((await add(it.url, BODY, { Via: '1.1 ollana-client-abc' })).status).toBe(403);
    expect((await add(it.url, BODY, { Host: 'evil.example' })).status).toBe(403);
    expect(it.names()).toEqual([]);
  });

  it.each([
    ['GET', '/add_server', 'POST'],
    ['GET', '/sync_servers', 'POST'],
    ['GET', '/servers/x', 'DELETE'],
    ['POST', '/status', 'GET'],
  ])('%s %s is told the method', async (method, path, allow) => {
    await using it = await stage();
    expect(await call(it.url, path, { method })).toMatchObject({ status: 405, headers: { allow } });
  });
});

describe('DELETE /servers/NAME', () => {
  it('refuses what was not added here, and says where it comes from and what to do', async () => {
    using folder = temporaryDirectory('list');
    const file = join(folder.path, 'servers.txt');
    await using other = await startSimulatedOllama({});
    writeFileSync(file, `${other.url}=listed\n`);
    await using cluster = await startCluster({ client: { serverFile: file } });
    await until(5000, 'the listed one', () =>
      cluster.client.status().servers.some(({ name, version }) => name === 'listed' && version),
    );
    expect(await remove(cluster.url, 'a')).toMatchObject({
      status: 409,
      json: { error: expect.stringMatching(/a is named by --server.*restart.*nothing was removed/) },
    });
    expect((await remove(cluster.url, other.url)).json.error).toMatch(
      new RegExp(`listed is in the server file ${file}: remove its line`),
    );
    expect(await remove(cluster.url, 'nobody')).toMatchObject({
      status: 404,
      json: { error: expect.stringMatching(/nobody: known are a, listed/) },
    });
    // What a flag claims is not claimed twice.
    expect((await add(cluster.url, { url: cluster.ollamas[0]!.url })).status).toBe(409);

    // Added as well, it can be taken back, and the list's claim stays.
    expect((await add(cluster.url, { url: other.url })).status).toBe(201);
    const taken = await remove(cluster.url, cluster.client.status().servers[1]!.deviceId);
    expect(taken.json).toMatchObject({ still: ['file'], why: expect.stringContaining('server file') });
    expect(cluster.client.status().servers).toHaveLength(2);
    writeFileSync(file, '# none\n');
    await until(4000, 'the removed line to count', () => cluster.client.status().servers.length === 1);
  });
});

it('server mode has the same for its own machine’s apps, and never gives its own Ollama away', async () => {
  using folder = temporaryDirectory('serve');
  await using own = await startSimulatedOllama({});
  await using other = await startSimulatedOllama({ models: [{ name: 'elsewhere' }] });
  const config = commonConfig(folder.path, { ollama: own.url, name: 'here' });
  const daemon = await startServer({ ...config, mode: 'server', allow: new Set() }, new TestLog());
  expect((await add(daemon.url, { url: other.url, name: 'there' })).status).toBe(201);
  const ran = await generate(daemon.url, 'elsewhere');
  expect(ran).toMatchObject({ status: 200, headers: { 'x-ollana-server': 'there' } });
  expect((await add(daemon.url, { url: own.url })).status).toBe(409);
  expect((await remove(daemon.url, 'here')).status).toBe(409);
  expect((await remove(daemon.url, 'there')).status).toBe(200);
  expect(daemon.status().servers.map(({ name }) => name)).toEqual(['here']);
  await daemon.stop();
});
