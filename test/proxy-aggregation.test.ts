import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../src/clock.ts';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

/** Lists wait this long for a server, and then for nobody; the rest is the machine's. */
const DEADLINE_MS = 250;
const MARGIN_MS = 150;

const TWO = [
  { models: [{ name: 'only-a' }, { name: 'both', digest: 'a'.repeat(64) }], version: '0.17.10' },
  {
    models: [{ name: 'only-b' }, { name: 'both', digest: 'b'.repeat(64) }, { name: 'Both:q4' }],
    version: '0.17.9',
  },
];

interface Lists {
  models: { name: string; model: string; digest: string }[];
}

describe.each(TOPOLOGIES)('lists over two servers ($path)', ({ serve }) => {
  it('/api/tags has each model once, as its server wrote it', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    const answer = await ask(cluster, '/api/tags');
    const { models } = JSON.parse(answer.text) as Lists;
    expect(models.map(({ name }) => name).sort()).toEqual([
      'Both:q4',
      'both:latest',
      'only-a:latest',
      'only-b:latest',
    ]);
    const rows = await Promise.all(
      cluster.ollamas.map(async (one) => JSON.parse((await ask(one, '/api/tags')).text)),
    );
    const all = (rows as Lists[]).flatMap((list) => list.models);
    for (const model of models) expect(all).toContainEqual(model);
    for (const { digest } of models) expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('what is shown of a model of which there are two versions is what is listed, every time', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    const { models } = JSON.parse((await ask(cluster, '/api/tags')).text) as Lists;
    const listed = models.find(({ name }) => name === 'both:latest')?.digest.startsWith('a') ? 'a' : 'b';
    for (let i = 0; i < 4; i += 1) {
      const shown = await ask(cluster, '/api/show', JSON.stringify({ model: 'both' }));
      expect(shown.headers['x-ollana-server']).toBe(listed);
      const found = await ask(cluster, '/v1/models/both');
      expect(found.headers['x-ollana-server']).toBe(listed);
    }
  });

  it('/v1/models has the same models in the same order', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    const tags = JSON.parse((await ask(cluster, '/api/tags')).text) as Lists;
    const list = JSON.parse((await ask(cluster, '/v1/models')).text);
    expect(list.object).toBe('list');
    expect(list.data.map(({ id }: { id: string }) => id)).toEqual(tags.models.map(({ name }) => name));
    expect(list.data[0]).toEqual({
      id: expect.any(String),
      object: 'model',
      created: expect.any(Number),
      owned_by: 'library',
    });
  });

  it('/api/ps has a row for each server and model, with full digests', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    for (const ollama of cluster.ollamas) await ollama.load('both');
    const { models } = JSON.parse((await ask(cluster, '/api/ps')).text) as Lists;
    expect(models.map(({ name }) => name)).toEqual(['both:latest', 'both:latest']);
    expect(models.map(({ digest }) => digest).sort()).toEqual(['a'.repeat(64), 'b'.repeat(64)]);
  });

  it('/api/version is the lowest, by number', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    expect(JSON.parse((await ask(cluster, '/api/version')).text)).toEqual({ version: '0.17.9' });
  });

  it('/api/show, /v1/models/:model and /api/chat go to a holder, by any spelling', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    for (const name of [
      'only-b',
      'only-b:latest',
      'ONLY-B',
      'library/only-b',
      'registry.ollama.ai/library/only-b:latest',
    ]) {
      for (const [path, body] of [
        ['/api/show', { model: name }],
        ['/api/show', { name }],
        ['/api/chat', chat(name, 'x')],
      ] as const) {
        const answer = await ask(cluster, path, body);
        expect(answer).toMatchObject({ status: 200 });
        expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '1' });
      }
    }
    const shown = await ask(cluster, '/v1/models/only-a');
    expect(shown.headers['x-ollana-server']).toBe('a');
    expect(JSON.parse(shown.text)).toMatchObject({ id: 'only-a', object: 'model' });
  });

  it('a server that hangs does not delay, and its last known rows are kept', async () => {
    await using cluster = await startCluster({ serve, ollamas: [...TWO, { models: [{ name: 'only-c' }] }] });
    const paths = ['/api/tags', '/v1/models', '/api/ps', '/api/version'];
    for (const path of paths) await ask(cluster, path);
    cluster.ollamas[2]!.faults.set({ kind: 'hang-all' });
    for (const path of paths) {
      // What holds this process up on a busy machine holds up both.
      const due = sleep(systemClock, DEADLINE_MS).then(() => performance.now());
      const answer = await ask(cluster, path);
      const answeredAt = performance.now();
      expect(answeredAt - (await due)).toBeLessThan(MARGIN_MS);
      expect(answer.status).toBe(200);
      if (path === '/api/tags') expect(answer.text).toContain('only-c:latest');
    }
  });

  it('a server that broke off a stream is still listed', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    cluster.ollamas[0]!.faults.set({ kind: 'cut', afterLines: 3 }, { times: 1 });
    await ask(cluster, '/api/chat', chat('only-a', 'x'));
    expect(cluster.view(0).verdict).toBe('unreliable');
    expect((await ask(cluster, '/api/tags')).text).toContain('only-a:latest');
  });

  it('a server that is away is listed with what it had for a minute, and not waited for', async () => {
    let lateMs = 0;
    const clock = { ...systemClock, wall: () => systemClock.wall() + lateMs };
    await using cluster = await startCluster({ serve, ollamas: TWO, clock });
    await cluster.ollamas[0]!.stop();
    await until(8000, 'the server to be unreliable', () => cluster.view(0).verdict === 'unreliable');
    expect((await ask(cluster, '/api/tags')).text).toContain('only-a');
    lateMs = 61_000;
    const { text } = await ask(cluster, '/api/tags');
    expect(text).not.toContain('only-a');
    expect(text).toContain('only-b');
    await cluster.ollamas[0]!.start();
    await until(8000, 'the server to be reliable', () => cluster.view(0).verdict === 'reliable');
    expect((await ask(cluster, '/api/tags')).text).toContain('only-a');
  });

  it('a model pulled elsewhere is listed at once and used within the time between two looks', async () => {
    await using cluster = await startCluster({ serve, ollamas: TWO });
    cluster.ollamas[1]!.models.add({ name: 'new' });
    expect((await ask(cluster, '/api/tags')).text).toContain('new:latest');
    await until(8000, 'the client to know it', () => cluster.view(1).models.includes('new:latest'), 50);
    expect((await ask(cluster, '/api/chat', chat('new', 'x'))).headers['x-ollana-server']).toBe('b');
  });
});

describe('copies of one model', () => {
  const row = (digest: string, modified_at: string) => ({
    name: 'm:latest',
    model: 'm:latest',
    digest,
    modified_at,
  });
  const A = 'a'.repeat(64);
  const B = 'b'.repeat(64);
  const [OLD, NEW] = ['2025-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00'];

  async function listed(rows: readonly object[], loaded: number) {
    const servers = await Promise.all(
      rows.map((one, i) =>
        startUpstream((_, response) => response.end(), { rows: [one], loaded: i === loaded }),
      ),
    );
    try {
      await using before = await startBefore(servers.map(({ url }) => url));
      await until(5000, 'loads to be known', () =>
        before.client.status().servers.some(({ loaded: of }) => of.length > 0),
      );
      return JSON.parse((await ask({ url: before.url }, '/api/tags')).text).models;
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
    }
  }

  it('of one digest are listed as the one modified last, spelled with its prefix or not', async () => {
    expect(await listed([row(A, OLD), row(`sha256:${A}`, NEW)], 0)).toEqual([row(`sha256:${A}`, NEW)]);
  });

  it.each([0, 1])('that differ are listed as the one a request would run on (%i)', async (loaded) => {
    const rows = [row(A, OLD), row(B, NEW)];
    expect(await listed(rows, loaded)).toEqual([rows[loaded]]);
  });
});

describe('lists without a server', () => {
  it.each(['/api/tags', '/v1/models', '/api/ps', '/api/version'])('%s says what to do', async (path) => {
    await using cluster = await startCluster({ ollamas: [] });
    const answer = await ask(cluster, path);
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('ollana serve');
    expect(answer.headers['retry-after']).toBe('5');
  });

  it('wait for a first one', async () => {
    await using upstream = await startUpstream((_, response) => response.end());
    await using cluster = await startCluster({ ollamas: [], servers: [upstream.url] });
    const answer = await ask(cluster, '/api/tags');
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.text).toContain('m:latest');
  });

  it('HEAD / and GET / are about this address itself, as the CLI takes them', async () => {
    await using cluster = await startCluster({ ollamas: [] });
    expect(await ask(cluster, '/')).toMatchObject({ status: 200, text: 'Ollama is running' });
    expect(await ask(cluster, '/', undefined, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });
});

describe('lists of a hostile server', () => {
  it('are taken for what is usable in them', async () => {
    const good = { name: 'good', modified_at: 'never', size: {}, digest: `sha256:${'a'.repeat(64)}` };
    const rows = [
      null,
      7,
      'x',
      {},
      { name: '' },
      { name: 5 },
      { name: 'no digest' },
      { name: 'short', digest: 'abc' },
      good,
    ];
    await using upstream = await startUpstream((_, response) => response.end(), { rows });
    await using before = await startBefore([upstream.url]);
    const tags = JSON.parse((await ask({ url: before.url }, '/api/tags')).text) as Lists;
    expect(tags.models).toEqual([good]);
    const models = JSON.parse((await ask({ url: before.url }, '/v1/models')).text);
    expect(models.data).toEqual([{ id: 'good', object: 'model', created: 0, owned_by: 'library' }]);
  });
});
