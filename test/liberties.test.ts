import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ClientConfig } from '../src/config.ts';
import type { SimulatedModel } from '../src/simulate/models.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { type Cluster, startCluster, TOPOLOGIES } from './_cluster.ts';
import { until, within } from './_deadline.ts';
import { ask, chat, send } from './_simulate-client.ts';

const asks = (text: string) => (request: SeenRequest) => request.body?.includes(text) ?? false;
const bodyOf = (cluster: Cluster, text: string) =>
  cluster.ollamas.flatMap(({ seen }) => seen.filter(asks(text))).map(({ body }) => String(body));

async function start(
  serve: boolean,
  models: readonly (readonly SimulatedModel[])[],
  client: Partial<ClientConfig>,
  loaded: readonly (string | undefined)[] = [],
): Promise<Cluster> {
  const cluster = await startCluster({
    serve,
    loaded,
    ollamas: models.map((some) => ({ models: some, maxLoadedModels: 3 })),
    client: { holdMs: 0, ...client },
    server: { allow: new Set(['manage']) },
  });
  await until(5000, 'what is loaded to be known', () =>
    loaded.every((name, i) => name === undefined || cluster.view(i).loaded.length > 0),
  );
  return cluster;
}

const M: SimulatedModel = { name: 'm', contextLength: 4096 };

describe.each(TOPOLOGIES)('--protect-context ($path)', ({ serve }) => {
  it('asks for no smaller context than is loaded', async () => {
    await using cluster = await start(serve, [[M]], { protectContext: true });
    await ask(cluster, '/api/chat', chat('m', 'first'));
    await until(5000, 'the model to be known as loaded', () => cluster.view(0).loaded.length === 1);
    const answer = await ask(
      cluster,
      '/api/chat',
      chat('m', 'second', { options: { num_ctx: 2048, seed: 7 } }),
    );
    expect(answer.headers['x-ollana-changed']).toBe('num_ctx');
    expect(cluster.ollamas[0]?.stats().loads).toBe(1);
    // The list may come before it is told that nothing was given.
    const allowed = [{ seed: 7 }, { num_ctx: 4096, seed: 7 }];
    expect(allowed.map((options) => JSON.stringify(chat('m', 'second', { options })))).toContain(
      bodyOf(cluster, 'second')[0],
    );
    expect(cluster.log.said('request').at(-1)?.changed).toBe('changed num_ctx');
  });

  it('sets it to the one listed where nobody knows what was given', async () => {
    await using cluster = await start(serve, [[M]], { protectContext: true }, ['m']);
    const answer = await ask(cluster, '/api/chat', chat('m', 'second', { options: { num_ctx: 2048 } }));
    expect(answer.headers['x-ollana-changed']).toBe('num_ctx');
    expect(bodyOf(cluster, 'second')[0]).toContain('"options":{"num_ctx":4096}');
    expect(cluster.ollamas[0]?.models.loaded()).toMatchObject([{ context_length: 4096 }]);
  });

  it('sets it to the one that was given where that was larger', async () => {
    await using cluster = await start(serve, [[M]], { protectContext: true });
    await ask(cluster, '/api/chat', chat('m', 'first', { options: { num_ctx: 8192 } }));
    await until(5000, 'the model to be known as loaded', () => cluster.view(0).loaded.length === 1);
    const answer = await ask(cluster, '/api/chat', chat('m', 'second', { options: { num_ctx: 2048 } }));
    expect(answer.headers['x-ollana-changed']).toBe('num_ctx');
    expect(bodyOf(cluster, 'second')[0]).toContain('"options":{"num_ctx":8192}');
    expect(cluster.ollamas[0]?.stats().loads).toBe(1);
  });

  it.each([
    ['larger', true, chat('m', 'second', { options: { num_ctx: 16_384 } }), {}],
    ['any while it is off', false, chat('m', 'second', { options: { num_ctx: 2048 } }), {}],
    ['compressed', true, chat('m', 'second', { options: { num_ctx: 2048 } }), { 'content-encoding': 'gzip' }],
  ])('leaves alone: %s', async (_what, protectContext, body, headers: Record<string, string>) => {
    await using cluster = await start(serve, [[M]], { protectContext });
    await ask(cluster, '/api/chat', chat('m', 'first'));
    await until(5000, 'the model to be known as loaded', () => cluster.view(0).loaded.length === 1);
    const plain = Buffer.from(JSON.stringify(body));
    const sent = headers['content-encoding'] ? gzipSync(plain) : plain;
    const answer = await ask(cluster, '/api/chat', sent, { method: 'POST', headers });
    expect(answer.headers['x-ollana-changed']).toBeUndefined();
    expect(cluster.ollamas[0]?.seen.some((one) => one.body?.equals(sent))).toBe(true);
  });
});

const BIG: SimulatedModel = { name: 'llama:70b', size: 40e9 };
const SMALL: SimulatedModel = { name: 'llama:8b', size: 5e9 };
const OTHER: SimulatedModel = { name: 'qwen:7b', family: 'qwen2', size: 4e9 };
const FAMILY = { sameFamily: true, pairs: [] };

describe.each(TOPOLOGIES)('--substitute ($path)', ({ serve }) => {
  const both = [[BIG, SMALL, OTHER]];

  it('unloads no other model than the one that was named', async () => {
    await using cluster = await start(serve, both, { substitute: FAMILY }, ['llama:8b']);
    const answer = await ask(cluster, '/api/chat', '{"model":"llama:70b","keep_alive":0}');
    expect(answer.headers['x-ollana-substituted']).toBeUndefined();
    expect(cluster.ollamas[0]?.models.loaded().map(({ name }) => name)).toContain('llama:8b');
  });

  it('asks a loaded model of the same family', async () => {
    await using cluster = await start(serve, both, { substitute: FAMILY }, ['llama:8b']);
    const answer = await ask(
      cluster,
      '/api/chat',
      '{"model" : "llama:70b","messages":[{"role":"user","content":"hi"}],"x":1.0}',
      {
        method: 'POST',
      },
    );
    expect(answer.status).toBe(200);
    expect(answer.headers['x-ollana-substituted']).toBe('llama:70b -> llama:8b');
    expect(bodyOf(cluster, '"hi"')).toEqual([
      '{"model" : "llama:8b","messages":[{"role":"user","content":"hi"}],"x":1.0}',
    ]);
    expect(cluster.log.said('request').at(-1)).toMatchObject({
      model: 'llama:70b',
      changed: 'substituted llama:70b -> llama:8b',
    });
    expect(cluster.ollamas[0]?.stats().loads).toBeLessThanOrEqual(1);
  });

  it('asks the model that the user names', async () => {
    const substitute = { sameFamily: false, pairs: [{ wanted: 'llama:70b', other: 'qwen:7b' }] };
    await using cluster = await start(serve, both, { substitute }, ['qwen:7b']);
    const answer = await ask(cluster, '/v1/chat/completions', chat('llama:70b', 'hi'));
    expect(answer.headers['x-ollana-substituted']).toBe('llama:70b -> qwen:7b');
  });

  it.each([
    ['the wanted model is loaded', 'llama:70b', {}, '/api/chat', FAMILY],
    ['only models of other families are', 'qwen:7b', {}, '/api/chat', FAMILY],
    ['it is about vectors', 'llama:8b', {}, '/api/embed', FAMILY],
    ['a server is named', 'llama:8b', { 'x-ollana-server': 'a' }, '/api/chat', FAMILY],
    ['it is off', 'llama:8b', {}, '/api/chat', undefined],
  ])(
    'asks the wanted one when %s',
    async (_when, loaded, headers: Record<string, string>, path, substitute) => {
      const client = substitute ? { substitute } : {};
      await using cluster = await start(serve, both, client, [loaded]);
      const body = path === '/api/embed' ? { model: 'llama:70b', input: 'hi' } : chat('llama:70b', 'hi');
      const answer = await ask(cluster, path, body, { method: 'POST', headers });
      expect(answer.headers['x-ollana-substituted']).toBeUndefined();
      expect(bodyOf(cluster, '"hi"')).toEqual([JSON.stringify(body)]);
    },
  );
});

describe.each(TOPOLOGIES)('--auto-pull ($path)', ({ serve }) => {
  it('pulls a model that nobody has once, then runs the requests', async () => {
    await using cluster = await start(serve, [[M], [M]], { autoPull: true });
    const answers = await Promise.all(
      ['one', 'two'].map((text) => ask(cluster, '/api/chat', chat('new', text))),
    );
    for (const { status, headers } of answers) {
      expect(status).toBe(200);
      expect(headers['x-ollana-pulled']).toBe(headers['x-ollana-server']);
    }
    expect(
      cluster.ollamas.flatMap(({ seen }) => seen.filter(({ path }) => path === '/api/pull')).length,
    ).toBe(1);
    expect(cluster.log.said('pulling a model that no server has').at(-1)).toMatchObject({
      model: 'new',
      status: 'success',
    });
  });

  it('says why it could not, with what the server says to the request', async () => {
    await using cluster = await start(serve, [[M]], { autoPull: true });
    const fault = { kind: 'status', status: 500, body: { error: 'no registry' } } as const;
    cluster.ollamas[0]?.faults.set(fault, { match: ({ path }) => path === '/api/pull' });
    const answer = await ask(cluster, '/api/chat', chat('new', 'one'));
    expect(answer.status).toBe(404);
    expect(answer.headers['x-ollana-pulled']).toMatch(/^failed at a: .*no registry/);
  });

  it('ends the pull when the last who waits for it leaves', async () => {
    await using cluster = await start(serve, [[M]], { autoPull: true });
    const isPull = ({ path }: SeenRequest) => path === '/api/pull';
    cluster.ollamas[0]?.faults.set({ kind: 'hang' }, { match: isPull });
    const sent = send(cluster, '/api/chat', chat('new', 'one'));
    await within(5000, 'the pull', cluster.ollamas[0]!.onceSeen(isPull));
    sent.request.destroy();
    await within(2000, 'the pull to end', cluster.ollamas[0]!.onceAborted(isPull));
    await until(2000, 'nothing in flight', () => cluster.client.status().inFlight === 0);
  });

  it('pulls nothing for who only looks', async () => {
    await using cluster = await start(serve, [[M]], { autoPull: true });
    const answer = await ask(cluster, '/api/show', '{"model":"new"}');
    expect(answer.status).toBe(404);
    expect(cluster.ollamas[0]?.seen.filter(({ path }) => path === '/api/pull')).toEqual([]);
  });

  it('is off by default', async () => {
    await using cluster = await start(serve, [[M]], {});
    const answer = await ask(cluster, '/api/chat', chat('new', 'one'));
    expect(answer.status).toBe(404);
    expect(cluster.ollamas[0]?.seen.some(({ path }) => path === '/api/pull')).toBe(false);
  });
});
