import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startBefore, startCluster } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { ask, chat, send } from './_simulate-client.ts';

const TWO = [
  { models: [{ name: 'only-a' }, { name: 'both' }] },
  { models: [{ name: 'only-b' }, { name: 'both' }] },
];
const has = (one: { models: { list(): readonly { name: string }[] } }, name: string) =>
  one.models.list().some((model) => model.name === `${name}:latest`);
const sha = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

describe('delete', () => {
  it('reaches every holder, and the next lists show it', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const answer = await ask(cluster, '/api/delete', { model: 'both' }, { method: 'DELETE' });
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers['x-ollana-server']).toBe('a, b');
    expect(cluster.ollamas.some((one) => has(one, 'both'))).toBe(false);
    expect((await ask(cluster, '/api/tags')).text).not.toContain('both');
  });

  it('says who did it and who did not', async () => {
    const answering = (status: number, body: string) =>
      startUpstream((request, response) => {
        request.resume().on('end', () => response.writeHead(status).end(body));
      });
    await using good = await answering(200, '');
    await using bad = await answering(500, '{"error":"disk is broken"}');
    await using before = await startBefore([`${good.url}=good`, `${bad.url}=bad`]);
    const answer = await ask({ url: before.url }, '/api/delete', { model: 'm' }, { method: 'DELETE' });
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text).error).toMatch(/done on good, but not everywhere; bad: disk is broken/);
  });

  it('takes a 404 of one for done', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    cluster.ollamas[1]!.models.remove('both');
    const answer = await ask(cluster, '/api/delete', { model: 'both' }, { method: 'DELETE' });
    expect(answer.status).toBe(200);
  });

  it('gives Ollama’s own 404 for a model that nobody has', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const wanted = await ask(cluster.ollamas[0]!, '/api/delete', { model: 'no' }, { method: 'DELETE' });
    const answer = await ask(cluster, '/api/delete', { model: 'no' }, { method: 'DELETE' });
    expect(answer).toMatchObject({ status: 404, text: wanted.text });
  });
});

it('a delete right after a pull reaches the copy that was just made', async () => {
  await using cluster = await startCluster({ ollamas: TWO });
  const pulled = await ask(cluster, '/api/pull?server=b', { model: 'only-a', stream: false });
  expect(pulled).toMatchObject({ status: 200 });
  expect(cluster.ollamas.map((one) => has(one, 'only-a'))).toEqual([true, true]);
  await ask(cluster, '/api/delete', { model: 'only-a' }, { method: 'DELETE' });
  expect(cluster.ollamas.map((one) => has(one, 'only-a'))).toEqual([false, false]);
});

it('a pull that fails for want of a registry is nobody’s fault', async () => {
  await using upstream = await startUpstream((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end('{"status":"pulling manifest"}\n{"error":"pull model manifest: no such host"}\n');
    });
  });
  await using before = await startBefore([upstream.url]);
  const answer = await ask({ url: before.url }, '/api/pull', { model: 'nowhere' });
  expect(answer.text).toContain('no such host');
  const { servers } = JSON.parse((await ask({ url: before.url }, '/ollana/api/status')).text);
  expect(servers.map(({ verdict }: { verdict: string }) => verdict)).toEqual(['reliable']);
});

it('an unload reaches every holder', async () => {
  await using cluster = await startCluster({ ollamas: TWO });
  for (const one of cluster.ollamas) await one.load('both');
  expect((await ask(cluster, '/api/generate', { model: 'both', keep_alive: 0 })).status).toBe(200);
  expect(cluster.ollamas.flatMap((one) => one.models.loaded())).toEqual([]);
});

it('a server that is named by header or query is the only one asked, and its name is not passed on', async () => {
  await using cluster = await startCluster({ ollamas: TWO });
  for (const [path, headers] of [
    ['/api/chat', { 'x-ollana-server': 'b' }],
    ['/api/chat?server=b&x=1', {}],
  ] as const) {
    const answer = await ask(cluster, path, chat('both', 'x'), { headers: { ...headers } });
    expect(answer.headers['x-ollana-server']).toBe('b');
  }
  expect(JSON.stringify(cluster.ollamas[1]!.seen)).not.toContain('server=');
  const unknown = await ask(cluster, '/api/chat?server=zz', chat('both', 'x'));
  expect(unknown.status).toBe(404);
  expect(JSON.parse(unknown.text).error).toMatch(/a, b/);
  await ask(cluster, '/api/delete?server=b', { model: 'both' }, { method: 'DELETE' });
  expect(cluster.ollamas.map((one) => has(one, 'both'))).toEqual([true, false]);
});

describe('blobs', () => {
  it('uploaded side by side and their create meet at one server', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const texts = ['one', 'two', 'three', 'four'];
    const sent = await Promise.all(texts.map((text) => ask(cluster, `/api/blobs/${sha(text)}`, text)));
    expect(sent.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    const files = Object.fromEntries(texts.map((text) => [text, sha(text)]));
    const made = await ask(cluster, '/api/create', { model: 'made', files, stream: false });
    expect(made.status).toBe(200);
    const run = await ask(cluster, '/api/chat', chat('made', 'x'));
    expect(run).toMatchObject({ status: 200 });
    expect(run.headers['x-ollana-server']).toBe(made.headers['x-ollana-server']);
    expect((await ask(cluster, `/api/blobs/${sha('one')}`, 'one')).status).toBe(200);
  });

  it('of another digest get Ollama’s own 400', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const path = `/api/blobs/${sha('one')}`;
    const wanted = await ask(cluster.ollamas[0]!, path, 'other');
    expect(await ask(cluster, path, 'other')).toMatchObject({ status: 400, text: wanted.text });
  });
});

describe('copy and pull', () => {
  it('go where they belong, and the very next request finds what they made', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const copied = await ask(cluster, '/api/copy', { source: 'only-b', destination: 'new' });
    expect(copied).toMatchObject({ status: 200 });
    expect(copied.headers['x-ollana-server']).toBe('b');
    expect((await ask(cluster, '/api/chat', chat('new', 'x'))).headers['x-ollana-server']).toBe('b');
    await ask(cluster, '/api/pull?server=b', { model: 'pulled' });
    expect((await ask(cluster, '/api/chat', chat('pulled', 'x'))).headers['x-ollana-server']).toBe('b');
    cluster.ollamas[1]!.models.add({ name: 'elsewhere' });
    expect((await ask(cluster, '/api/chat', chat('elsewhere', 'x'))).status).toBe(200);
  });

  it('a pull that is cancelled stops upstream within 100 ms', async () => {
    await using cluster = await startCluster({ ollamas: [TWO[0]!] });
    const pull = send(cluster, '/api/pull', { model: 'large' });
    await pull.started;
    const aborted = cluster.ollamas[0]!.onceAborted(({ path }) => path === '/api/pull');
    const since = performance.now();
    pull.request.destroy();
    await aborted;
    expect(performance.now() - since).toBeLessThan(100);
    expect(has(cluster.ollamas[0]!, 'large')).toBe(false);
  });
});

describe('a request that cannot be served', () => {
  it('for a model that only a dead server has names it and says since when', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    await cluster.ollamas[1]!.stop();
    await until(8000, 'it to be known', () => cluster.view(1).verdict === 'unreliable');
    const answer = await ask(cluster, '/api/show', { model: 'only-b' });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text).error).toMatch(/only-b.* b \(.*since \d{4}-/);
  });

  it('gets Ollama’s own words for an unknown model and for a form without one', async () => {
    await using cluster = await startCluster({ ollamas: TWO });
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    for (const [path, body, more] of [
      ['/api/chat', chat('no', 'x'), {}],
      ['/v1/audio/transcriptions', '--b--\r\n', { headers }],
    ] as const) {
      const wanted = await ask(cluster.ollamas[0]!, path, body, more);
      expect(await ask(cluster, path, body, more)).toMatchObject({
        status: wanted.status,
        text: wanted.text,
      });
    }
  });

  it.each(['/api/me', '/api/signout'])('%s never goes to a peer', async (path) => {
    await using cluster = await startCluster({ ollamas: TWO });
    expect((await ask(cluster, path, {})).status).toBe(503);
    for (const one of cluster.ollamas) expect(one.seen.some((seen) => seen.path === path)).toBe(false);
  });
});
